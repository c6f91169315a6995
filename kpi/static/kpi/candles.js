// The candles of an instrument with what happened to it; panning to the left fetches what was before.

import {
  addCandles, addMarks, byTime, drawChoice, drawKey, drawMarks, fetchChart, grouped, makeChart, markRows, removeChart,
  seconds, setBars, table, told,
} from "./price-charts.js";

// With fewer bars than these left of what is seen, the part before it is fetched.
const AHEAD = 20;

function part(panel, name) {
  return panel.querySelector(`[data-part="${name}"]`);
}

function start(panel) {
  let chart, series, plugin, candles, marks, earlier, until, interval, length;
  let busy = false, turn = 0;
  const details = panel.querySelector("details"), empty = part(panel, "empty");

  function fail(text) {
    for (const name of ["chart", "legend", "key"]) part(panel, name).hidden = true;
    details.hidden = true;
    empty.hidden = false;
    empty.textContent = text;
  }

  function legend(time) {
    const at = Math.floor(time / length) * length;
    const row = candles.find(([ms]) => seconds(ms) === at);
    const prices = row?.length > 1 ? ["open", "high", "low", "close"].map((name, n) => `${name} ${grouped(row[n + 1])}`) : ["no mark"];
    const done = byTime(marks).get(at * 1000) ?? [];
    part(panel, "legend").textContent = [told(at * 1000), ...prices, ...done.map(({ text }) => text)].join(" · ");
  }

  function refresh() {
    setBars(series, candles);
    drawMarks(plugin, marks.filter(({ at }) => at >= candles[0][0]));
    drawKey(part(panel, "key"), marks);
    if (details.open) writeTables();
  }

  function writeTables() {
    const rows = candles.filter((row) => row.length > 1).map(([at, ...row]) => [told(at), ...row.map(grouped)]);
    part(panel, "table").replaceChildren(
      table("What happened", ["Time", "What"], markRows(marks)),
      table("Mark prices", ["Opens", "Open", "High", "Low", "Close"], rows),
    );
  }

  async function before() {
    if (busy || !earlier) return;
    busy = true;
    const mine = turn;
    try {
      const data = await fetchChart(panel.dataset.url, { interval, until });
      if (mine !== turn) return;
      const seen = chart.timeScale().getVisibleRange();
      candles = [...fill(data.candles, candles[0][0]), ...candles];
      marks = [...data.marks, ...marks];
      ({ earlier } = data);
      until = data.since;
      refresh();
      if (seen) chart.timeScale().setVisibleRange(seen);
    } catch (error) {
      earlier = false;
      part(panel, "notes").textContent = `Earlier bars could not be fetched: ${error.message}`;
    } finally {
      busy = false;
    }
  }

  // Bars without a mark between two parts keep their place.
  function fill(rows, next) {
    const filled = [...rows], step = length * 1000;
    for (let at = filled.length ? filled.at(-1)[0] + step : next; at < next; at += step) filled.push([at]);
    return filled;
  }

  async function show(asked) {
    const mine = ++turn;
    let data;
    try {
      data = await fetchChart(panel.dataset.url, { interval: asked });
    } catch (error) {
      if (mine === turn) fail(`The chart could not be fetched: ${error.message}`);
      return;
    }
    if (mine !== turn) return;
    if (chart) removeChart(chart);
    chart = null;
    drawChoice(part(panel, "windows"), data.intervals, data.interval, show);
    ({ candles, marks, earlier, interval } = data);
    until = data.since;
    length = data.seconds;
    panel.dataset.window = interval;
    if (!candles.length) return fail(data.empty || "No mark price in the newest bars of this length; a longer one reaches further back.");
    for (const name of ["chart", "legend", "key"]) part(panel, name).hidden = false;
    empty.hidden = true;
    details.hidden = false;
    chart = makeChart(part(panel, "chart"));
    series = addCandles(chart, data.tick);
    plugin = addMarks(series.candles);
    refresh();
    const last = seconds(candles.at(-1)[0]);
    chart.subscribeCrosshairMove(({ time }) => legend(time ?? last));
    legend(last);
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => range && range.from < AHEAD && before());
    details.ontoggle = () => details.open && writeTables();
  }

  show("");
}

for (const panel of document.querySelectorAll("[data-candles]")) start(panel);

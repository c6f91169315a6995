// An account's way to its close-out: prices with its entry and liquidation price and what it did,
// and below them how near that was.

import {
  addCandles, addMarks, addSeries, byTime, drawChoice, drawKey, drawMarks, fetchChart, grouped, makeChart, markRows,
  priceFormat, removeChart, seconds, setBars, table, told,
} from "./price-charts.js";

const STEPS = 1, DASHED = 2, LOGARITHMIC = 1;
// A liquidation price further from the last price than this share of it would flatten the candles.
const NEAR = 0.25;
// A ratio so many times the threshold is drawn on a logarithmic axis.
const FAR = 12;

// What is held against what: the margin ratio against the threshold, or, where positions were held
// to brackets in the window, equity ÷ what they required against 1.
function nearness({ by_brackets: byBrackets }) {
  return byBrackets
    ? { title: "equity ÷ maintenance", limit: "close-out", ratio: ({ cover }) => cover, bound: () => "1" }
    : { title: "margin ratio", limit: "threshold", ratio: ({ ratio }) => ratio, bound: ({ threshold }) => threshold };
}

function part(panel, name) {
  return panel.querySelector(`[data-part="${name}"]`);
}

// Points of one moment, just before and just after a close-out, get times of their own.
function spread(points) {
  let last = 0;
  return points.map((point) => {
    last = Math.max(seconds(point.at), last + 0.001);
    return { ...point, time: last };
  });
}

function line(points, value) {
  return points.map((point) => {
    const text = value(point);
    return text === null ? { time: point.time } : { time: point.time, value: Number(text) };
  });
}

function draw(panel, data) {
  const chart = makeChart(part(panel, "chart"));
  const prices = addCandles(chart, data.tick);
  setBars(prices, data.candles);
  const points = spread(data.points);
  const last = Number(data.candles.findLast((row) => row.length > 1)?.[4] ?? 0);
  const near = (info) => {
    const range = info?.priceRange;
    return range && (range.minValue < last * (1 - NEAR) || range.maxValue > last * (1 + NEAR)) ? null : info;
  };
  const options = {
    lineWidth: 2, lineType: STEPS, priceLineVisible: false, crosshairMarkerVisible: false, priceFormat: priceFormat(data.tick),
  };
  const entry = addSeries(chart, "LineSeries", { ...options, title: "entry" }, { color: "series-1" });
  entry.setData(line(points, ({ entry }) => entry));
  const closing = addSeries(
    chart,
    "LineSeries",
    { ...options, title: "liquidation", lineStyle: DASHED, autoscaleInfoProvider: (original) => near(original()) },
    { color: "alarm" },
  );
  closing.setData(line(points, (point) => point.liquidation_price));
  drawMarks(addMarks(prices.candles), data.marks);
  drawRatio(chart, points, nearness(data));
  chart.panes()[0].setStretchFactor(2.4);
  chart.panes()[1].setStretchFactor(1);
  chart.timeScale().fitContent();
  return { chart, points };
}

function drawRatio(chart, points, near) {
  const ratios = points.map(near.ratio).filter((text) => text !== null).map(Number);
  const bound = Math.max(...points.map(near.bound).map(Number));
  const format = { type: "price", precision: 4, minMove: 0.0001 };
  const options = { priceFormat: format, priceLineVisible: false, crosshairMarkerVisible: false };
  const ratio = addSeries(chart, "LineSeries", { ...options, lineWidth: 2, title: near.title }, { color: "series-1" }, 1);
  ratio.setData(line(points, near.ratio));
  const limit = addSeries(
    chart, "LineSeries", { ...options, lineWidth: 1, lineStyle: DASHED, lineType: STEPS, title: near.limit }, { color: "alarm" }, 1,
  );
  limit.setData(line(points, near.bound));
  const far = ratios.length && Math.max(...ratios) > FAR * bound && Math.min(...ratios) > 0;
  if (far && bound > 0) ratio.priceScale().applyOptions({ mode: LOGARITHMIC });
}

function tell(panel, data, { chart, points }) {
  const legend = part(panel, "legend"), marks = byTime(data.marks);
  const candles = new Map(data.candles.map((row) => [seconds(row[0]), row])), near = nearness(data);
  const write = (time) => {
    const point = points.findLast((one) => one.time <= time) ?? points[0];
    const at = Math.floor(time / data.seconds) * data.seconds, row = candles.get(at);
    const figures = {
      price: row?.[4],
      entry: point.entry,
      liquidation: point.liquidation_price,
      [near.title]: near.ratio(point),
      [near.limit]: near.bound(point),
    };
    const known = Object.entries(figures).filter(([, text]) => text);
    const done = marks.get(at * 1000) ?? [];
    legend.textContent = [
      told(time * 1000), ...known.map(([name, text]) => `${name} ${grouped(text)}`), ...done.map(({ text }) => text),
    ].join(" · ");
  };
  const latest = (points.findLast((point) => near.ratio(point) !== null) ?? points.at(-1)).time;
  chart.subscribeCrosshairMove(({ time }) => write(time ?? latest));
  write(latest);
}

const WHEN = { bar: "", before: "just before the close-out", after: "just after it", now: "now" };

function writeTables(panel, data) {
  const near = nearness(data), capital = (text) => text[0].toUpperCase() + text.slice(1);
  const rows = data.points.map((point) => [
    told(point.at), WHEN[point.kind], grouped(point.equity), grouped(point.margin),
    grouped(near.ratio(point)) + (point.recorded ? " as recorded" : ""), grouped(near.bound(point)),
    grouped(point.quantity), grouped(point.entry), grouped(point.liquidation_price),
  ]);
  const prices = data.candles.filter((row) => row.length > 1).map(([at, ...row]) => [told(at), ...row.map(grouped)]);
  part(panel, "table").replaceChildren(
    table("What the account did", ["Time", "What"], markRows(data.marks)),
    table("The account", ["Time", "", "Equity, USDT", "Margin, USDT", capital(near.title), capital(near.limit), "Quantity", "Entry", "Liquidation price"], rows),
    table(`Mark prices of ${data.symbol}`, ["Opens", "Open", "High", "Low", "Close"], prices),
  );
}

function choices(panel, data, show) {
  drawChoice(part(panel, "windows"), data.windows, data.window, (window) => show({ window, symbol: data.symbol }));
  const symbols = part(panel, "symbols");
  drawChoice(symbols, data.symbols, data.symbol, (symbol) => show({ window: data.window, symbol }));
  symbols.hidden = data.symbols.length < 2;
}

function start(panel) {
  let drawn = null, asked = 0;
  const details = panel.querySelector("details"), empty = part(panel, "empty");

  function showNothing(text) {
    for (const name of ["chart", "legend", "key"]) part(panel, name).hidden = true;
    details.hidden = true;
    empty.hidden = false;
    empty.textContent = text;
  }

  async function show(query) {
    const turn = ++asked;
    let data;
    try {
      data = await fetchChart(panel.dataset.url, query);
    } catch (error) {
      if (turn === asked) showNothing(`The chart could not be fetched: ${error.message}`);
      return;
    }
    if (turn !== asked) return;
    if (drawn) removeChart(drawn.chart);
    drawn = null;
    choices(panel, data, show);
    part(panel, "notes").textContent = (data.notes ?? []).join(" ");
    panel.dataset.window = data.window;
    if (data.empty) return showNothing(data.empty);
    for (const name of ["chart", "legend", "key"]) part(panel, name).hidden = false;
    empty.hidden = true;
    details.hidden = false;
    drawn = draw(panel, data);
    drawKey(part(panel, "key"), data.marks);
    tell(panel, data, drawn);
    details.ontoggle = () => details.open && writeTables(panel, data);
    if (details.open) writeTables(panel, data);
  }

  show({});
}

for (const panel of document.querySelectorAll("[data-path]")) start(panel);

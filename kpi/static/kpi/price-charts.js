// What the price charts share: the look of the console, time and prices, marks, tables.
// Amounts come as exact decimals in strings; they become floats here, as they are drawn.

import { asked, refusal } from "./answers.js";

const L = window.LightweightCharts;

export const KINDS = {
  buy: { name: "Bought", shape: "arrowUp", position: "belowBar", color: "series-3" },
  sell: { name: "Sold", shape: "arrowDown", position: "aboveBar", color: "series-2" },
  close_out: { name: "Closed out", shape: "square", position: "aboveBar", color: "alarm" },
  order: { name: "Order placed", shape: "circle", position: "belowBar", color: "series-1" },
  refused: { name: "Order refused", shape: "circle", position: "aboveBar", color: "chart-text" },
  halt: { name: "Halted", shape: "square", position: "aboveBar", color: "series-6" },
  resume: { name: "Resumed", shape: "square", position: "belowBar", color: "series-3" },
  limit: { name: "Limit changed", shape: "circle", position: "aboveBar", color: "series-4" },
};

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const moment = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  hourCycle: "h23", timeZone: "UTC",
});

export function told(ms) {
  return `${moment.format(new Date(ms))} UTC`;
}

// Groups the digits of an exact decimal, all of which stay.
export function grouped(text) {
  if (text === null || text === undefined) return "–";
  const [whole, places] = text.split(".");
  const written = whole.replace("-", "−").replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return places ? `${written}.${places}` : written;
}

export function seconds(ms) {
  return ms / 1000;
}

// What follows the theme, by chart: one that is removed must not be touched again.
const followers = new Map();
new MutationObserver(() => [...followers.values()].flat().forEach((follow) => follow()))
  .observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });

export function makeChart(place) {
  const chart = L.createChart(place, { ...look(), autoSize: true });
  followers.set(chart, [() => chart.applyOptions(look())]);
  return chart;
}

export function removeChart(chart) {
  followers.delete(chart);
  chart.remove();
}

function look() {
  const line = { color: color("chart-grid") }, border = { borderColor: color("chart-grid") };
  return {
    layout: {
      background: { type: "solid", color: "transparent" },
      textColor: color("chart-text"),
      fontFamily: "Inter, sans-serif",
      fontSize: 11,
      panes: { separatorColor: color("chart-grid"), enableResize: false },
    },
    grid: { vertLines: line, horzLines: line },
    rightPriceScale: border,
    timeScale: { ...border, timeVisible: true, secondsVisible: false },
    localization: { timeFormatter: (time) => told(time * 1000) },
  };
}

// A series whose colours follow the theme; `colors` names variables by option.
export function addSeries(chart, type, options, colors, pane = 0) {
  const inTheme = () => Object.fromEntries(Object.entries(colors).map(([key, name]) => [key, color(name)]));
  const series = chart.addSeries(L[type], { ...options, ...inTheme() }, pane);
  followers.get(chart).push(() => series.applyOptions(inTheme()));
  return series;
}

export function priceFormat(tick) {
  const places = (tick.split(".")[1] ?? "").length;
  const format = new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  return { type: "custom", minMove: Number(tick), formatter: (price) => format.format(price) };
}

// Candles, and a thin line through their closes: a bar with one mark is no more than a dash.
export function addCandles(chart, tick) {
  const format = { priceFormat: priceFormat(tick) };
  const closes = addSeries(
    chart,
    "LineSeries",
    { ...format, lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false },
    { color: "chart-text" },
  );
  const candles = addSeries(
    chart,
    "CandlestickSeries",
    { ...format, borderVisible: false },
    { upColor: "series-3", downColor: "series-2", wickUpColor: "series-3", wickDownColor: "series-2" },
  );
  return { candles, closes };
}

export function setBars({ candles, closes }, rows) {
  const bars = rows.map(bar);
  candles.setData(bars);
  closes.setData(bars.map(({ time, close }) => (close === undefined ? { time } : { time, value: close })));
}

function bar([ms, ...prices]) {
  if (!prices.length) return { time: seconds(ms) };
  const [open, high, low, close] = prices.map(Number);
  return { time: seconds(ms), open, high, low, close };
}

// Marks at their bars; several in one are told by their number, as long as there is room for it.
const MOST_NUMBERS = 40;

export function drawMarks(plugin, marks) {
  const numbered = marks.length <= MOST_NUMBERS;
  plugin.setMarkers(marks.map(({ at, kind, count }) => {
    const { shape, position, color: name } = KINDS[kind];
    return { time: seconds(at), shape, position, color: color(name), text: numbered && count > 1 ? `${count}` : "" };
  }));
}

export function addMarks(series) {
  return L.createSeriesMarkers(series, []);
}

// The kinds of marks that are drawn, each with its shape; nothing where there is none.
export function drawKey(place, marks) {
  const kinds = Object.keys(KINDS).filter((kind) => marks.some((mark) => mark.kind === kind));
  place.replaceChildren(...kinds.map((kind) => {
    const item = document.createElement("li"), sign = document.createElement("i");
    sign.className = `sign ${KINDS[kind].shape} ${KINDS[kind].color}`;
    item.append(sign, KINDS[kind].name);
    return item;
  }));
}

export function byTime(marks) {
  const found = new Map();
  for (const mark of marks) found.set(mark.at, [...(found.get(mark.at) ?? []), mark]);
  return found;
}

// A table with a caption and rows of texts; a cell is text or {text, href}.
export function table(caption, headers, rows) {
  const made = document.createElement("table");
  made.createCaption().textContent = caption;
  const head = made.createTHead().insertRow();
  for (const header of headers) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = header;
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const cell of row) line.insertCell().append(cell.href ? link(cell) : cell);
  }
  return made;
}

function link({ text, href }) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = text;
  return made;
}

export function markRows(marks) {
  return marks.map(({ at, text, href }) => [told(at), href ? { text, href } : text]);
}

export async function fetchChart(url, query) {
  const wanted = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  const answer = await asked(`${url}?${wanted}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

// Buttons of which one is pressed.
export function drawChoice(place, names, pressed, choose) {
  place.replaceChildren(...names.map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", String(name === pressed));
    button.addEventListener("click", () => choose(name));
    return button;
  }));
}

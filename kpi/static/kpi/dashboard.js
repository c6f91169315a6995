// Draws the dashboard from its data, which live.js brings while the page is looked at.

import { byCategory, clock, draw, overTime } from "./charts.js";
import { keepLive } from "./live.js";

const page = document.getElementById("dashboard");
const status = document.getElementById("dashboard-status");
const price = new Intl.NumberFormat("en-US", { maximumFractionDigits: 8 });
let shown = JSON.parse(document.getElementById("dashboard-data").textContent);

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// The mean of each of at most `most` runs of values.
function smoothed(values, most = 60) {
  const run = Math.ceil(values.length / most);
  const runs = Array.from({ length: Math.floor(values.length / run) }, (_, n) => values.slice(n * run, (n + 1) * run));
  return runs.map((each) => each.reduce((sum, value) => sum + value, 0) / run);
}

function sparkline(values) {
  const known = smoothed(values.filter((value) => value !== null));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  if (known.length < 2) return svg;
  const low = Math.min(...known), height = Math.max(...known) - low;
  const y = (value) => (height ? 23 - (22 * (value - low)) / height : 12);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  const points = known.map((value, n) => `${((100 * n) / (known.length - 1)).toFixed(2)},${y(value).toFixed(2)}`);
  line.setAttribute("points", points.join(" "));
  svg.append(line);
  return svg;
}

function card({ title, value, unit, note, href, spark, change, share, alarming }) {
  const link = element("a", `dashboard-card${alarming ? " alarming" : ""}`);
  link.href = href;
  link.dataset.title = title;
  const head = element("span", "title", "");
  head.append(element("span", "", title), element("span", "change", change));
  const figure = element("span", "figure");
  figure.append(element("span", "value", value), element("span", "unit", unit));
  link.append(head, figure);
  if (share !== null) {
    const bar = element("span", "share");
    bar.append(document.createElement("i"));
    bar.firstChild.style.width = `${100 * share}%`;
    link.append(bar);
  }
  link.append(element("span", "note", note), sparkline(spark));
  return link;
}

function showCards(id, cards) {
  const section = document.getElementById(id);
  // A card that has the focus keeps it.
  const focused = [...section.children].indexOf(document.activeElement);
  section.replaceChildren(...cards.map(card));
  if (focused >= 0) section.children[focused]?.focus({ preventScroll: true });
}

function showChart(key, hasData, config) {
  const panel = page.querySelector(`[data-chart="${key}"]`);
  panel.querySelector(".canvas").hidden = !hasData;
  panel.querySelector(".empty").hidden = hasData;
  if (hasData) draw(panel.querySelector("canvas"), config);
}

// Price series start at zero, so that instruments of any price share an axis.
function relative({ label, points }) {
  const first = points[0]?.[1];
  return { label, points: points.map(([at, price]) => [at, (100 * price) / first - 100]) };
}

// Counts of rare events, in few and wide bars.
function binned(points, { since, interval }, most = 48) {
  const width = interval * Math.max(1, Math.ceil(points.length / most));
  const sums = new Map();
  for (const [at, count] of points) {
    const start = since + Math.floor((at - since) / width) * width;
    sums.set(start, (sums.get(start) ?? 0) + count);
  }
  return [...sums].map(([start, count]) => [start + width / 2, count]);
}

function showCharts({ charts, since, at, interval, replayed }) {
  const span = { since, until: at, interval, replayed };
  const { prices, exposure, interest, ratios, liquidations, rejections } = charts;
  const highest = Math.max(...exposure.points.map(([, value]) => value), 0);
  const threshold = { label: "Threshold", color: "alarm", dashed: true, points: [[since, exposure.threshold], [at, exposure.threshold]] };
  const isNear = highest > exposure.threshold / 10;

  showChart("prices", prices.some(({ points }) => points.length), () =>
    overTime(prices.map(relative), { ...span, signed: true, suffix: "%" }));
  showChart("exposure", exposure.points.length, () =>
    overTime([{ label: "Global exposure", fill: true, points: exposure.points }, ...(isNear ? [threshold] : [])], { ...span, unit: "USDT", ceiling: isNear ? 1.04 * Math.max(highest, exposure.threshold) : undefined }));
  showChart("interest", interest.length, () =>
    byCategory(interest.map(({ label }) => label), [
      { label: "Long", values: interest.map(({ long }) => long), color: "series-1" },
      { label: "Short", values: interest.map(({ short }) => -short), color: "series-2" },
    ], { horizontal: true, stacked: true, signed: true, unit: "USDT" }));
  showChart("ratios", ratios.from.length, () =>
    byCategory(ratios.from, [
      { label: "Accounts", values: ratios.counts, colors: ratios.counts.map((_, n) => (n ? "series-1" : "alarm")) },
    ], { title: `${ratios.of} from`, tips: ratios.ranges, mark: { before: 1, text: `close-out below ${ratios.threshold}` } }));
  showChart("liquidations", liquidations.some(([, count]) => count), () =>
    overTime([{ label: "Closed out", color: "series-2", points: binned(liquidations, span) }], { ...span, bars: true, whole: true, floor: 1 }));
  showChart("rejections", rejections.length, () =>
    byCategory(rejections.map(({ label }) => label), [
      { label: "Rejected", values: rejections.map(({ count }) => count), color: "series-2" },
    ], { horizontal: true, unit: "orders" }));
  for (const [key, { lines, unit }] of Object.entries(charts)) {
    if (lines) showChart(key, lines.some(({ points }) => points.length), () => overTime(lines, { ...span, unit }));
  }
}

function accountRow({ name, href, tier, ratio, equity, margin, cushion }) {
  const row = document.createElement("tr");
  const link = element("a", "", name);
  link.href = href;
  row.append(
    element("td", ""),
    element("td", "narrow-hides", tier),
    element("td", "", ratio),
    element("td", "", equity),
    element("td", "narrow-hides", margin),
    element("td", "", cushion),
  );
  row.firstChild.append(link);
  return row;
}

// What did not change stays in place, so that a click that has begun meets its link.
function isShown(section, content) {
  const [before, state] = [section.dataset.state, JSON.stringify(content)];
  section.dataset.state = state;
  return state === before;
}

function showAccounts(accounts, of) {
  const panel = document.getElementById("dashboard-accounts");
  panel.hidden = accounts === null;
  panel.querySelector("[data-ratio]").textContent = of[0].toUpperCase() + of.slice(1);
  if (accounts === null || isShown(panel, accounts)) return;
  panel.querySelector("tbody").replaceChildren(...accounts.map(accountRow));
  panel.querySelector(".scroll").hidden = !accounts.length;
  panel.querySelector(".empty").hidden = accounts.length > 0;
}

function concern({ severity, title, text, opened, by, href }) {
  const link = element("a", `dashboard-alert ${severity}`);
  link.href = href;
  link.append(element("span", "severity", severity), element("strong", "", title), element("span", "", text));
  if (opened !== null) {
    const state = by ? `acknowledged by ${by}` : "not acknowledged";
    link.append(element("span", "unit", `since ${clock(opened)} UTC, ${state}`));
  }
  return link;
}

// The list is announced by screen readers, so it changes only when something in it did.
function showAttention(concerns) {
  const section = document.getElementById("dashboard-attention");
  if (isShown(section, concerns)) return;
  const calm = element("p", "dashboard-calm", "Nothing needs attention.");
  section.replaceChildren(...(concerns.length ? concerns.map(concern) : [calm]));
}

function showText(id, text, visible) {
  const paragraph = document.getElementById(id);
  paragraph.hidden = !visible;
  if (text) paragraph.textContent = text;
}

function show(data) {
  shown = data;
  showText("dashboard-hint", data.hint, Boolean(data.hint));
  showAttention(data.attention);
  showCards("dashboard-markets", data.markets);
  showCards("dashboard-cards", data.cards);
  showCharts(data);
  showAccounts(data.accounts, data.charts.ratios.of);
}

// What else a card says of its instrument follows with the next data.
function showMarks(latest) {
  for (const { dataset, children } of document.getElementById("dashboard-markets").children) {
    const mark = latest.get(dataset.title);
    if (mark) children[1].firstChild.textContent = price.format(mark.price);
  }
}

function say(state, text) {
  status.dataset.state = state;
  status.querySelector(".text").textContent = text;
}

page.querySelector(".dashboard-windows").addEventListener("click", ({ target }) => {
  if (!target.dataset.window) return;
  for (const button of page.querySelectorAll("[data-window]")) {
    button.setAttribute("aria-pressed", String(button === target));
  }
  shown.window = target.dataset.window;
  history.replaceState(null, "", `?window=${shown.window}`);
  refresh();
});

show(shown);
const refresh = keepLive({
  dataUrl: page.dataset.url,
  streamUrl: page.dataset.stream,
  shownAt: shown.at,
  wanted: () => shown.window,
  show,
  showMarks,
  say,
});

// Charts over time and bars in the console's colours, drawn by the Chart.js that unfold brings.
// A chart keeps its data and is drawn anew when the theme changes.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [
  15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 90 * DAY,
];

const full = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 });

export function clock(at, { seconds = false } = {}) {
  const format = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" };
  return new Date(at).toLocaleTimeString("en-GB", seconds ? { ...format, second: "2-digit" } : format);
}

function day(at) {
  return new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}

function fullDay(at) {
  return new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Chart.js has no time axis without a date library: a linear one with ticks at full hours and days.
function timeAxis({ since, until }) {
  const label = (at, step) => {
    if (step >= DAY || at % DAY === 0) return day(at);
    return clock(at, { seconds: step < MINUTE });
  };
  let step = DAY;
  return {
    type: "linear",
    min: since,
    max: until,
    grid: { display: false },
    border: { color: color("chart-grid") },
    ticks: { color: color("chart-text"), maxRotation: 0, autoSkip: false, callback: (at) => label(at, step) },
    afterBuildTicks(axis) {
      const most = Math.max(2, Math.floor(axis.chart.width / 80));
      step = STEPS.find((each) => (until - since) / each <= most) ?? STEPS.at(-1);
      axis.ticks = [];
      for (let at = Math.ceil(since / step) * step; at <= until; at += step) axis.ticks.push({ value: at });
    },
  };
}

function valueAxis({ signed = false, whole = false, suffix = "" } = {}) {
  return {
    beginAtZero: !signed,
    grid: { color: color("chart-grid") },
    border: { display: false },
    ticks: {
      color: color("chart-text"),
      maxTicksLimit: 6,
      includeBounds: false,
      precision: whole ? 0 : undefined,
      callback: (value) => short.format(value) + suffix,
    },
  };
}

function frame({ scales, legend, tooltip, horizontal = false }) {
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: false,
    indexAxis: horizontal ? "y" : "x",
    interaction: { mode: "index", intersect: false, axis: horizontal ? "y" : "x" },
    scales,
    plugins: {
      legend: {
        display: legend,
        align: "start",
        labels: { color: color("chart-text"), boxWidth: 14, boxHeight: 2, padding: 12 },
      },
      tooltip: { callbacks: tooltip },
    },
  };
}

function moment(at) {
  return `${day(at)} ${clock(at, { seconds: true })} UTC`;
}

// A time, and that of the recorded candle that was replayed then, as `replayed` pairs them.
function moments(at, replayed, interval) {
  const [received, candle] = replayed.findLast(([each]) => each <= at) ?? [-Infinity];
  return at - received < 4 * interval ? [moment(at), `candle of ${fullDay(candle)} UTC`] : moment(at);
}

// Lines or bars over time. `series` is a list of {label, points: [[ms, value]], color?, dashed?, fill?}.
export function overTime(series, { since, until, interval, replayed = [], unit = "", bars = false, signed, whole, suffix, floor, ceiling }) {
  const datasets = series.map((each, number) => {
    const shade = color(each.color ?? `series-${(number % 6) + 1}`);
    return {
      label: each.label,
      data: each.points.map(([x, y]) => ({ x, y })),
      borderColor: shade,
      backgroundColor: bars ? shade : `${shade}24`,
      borderWidth: bars ? 0 : 1.75,
      borderDash: each.dashed ? [5, 4] : [],
      fill: each.fill ? "origin" : false,
      pointRadius: each.points.length > 1 ? 0 : 3,
      pointHoverRadius: 3,
      spanGaps: each.dashed || 4 * interval,
      barPercentage: 0.9,
      categoryPercentage: 1,
      maxBarThickness: 24,
      minBarLength: 0,
    };
  });
  const y = valueAxis({ signed, whole, suffix });
  y.suggestedMax = floor;
  y.max = ceiling;
  return {
    type: bars ? "bar" : "line",
    data: { datasets },
    options: frame({
      scales: { x: timeAxis({ since, until }), y },
      legend: series.length > 1,
      tooltip: {
        title: (items) => (items.length ? moments(items[0].parsed.x, replayed, interval) : ""),
        label: (item) => `${item.dataset.label}: ${full.format(item.parsed.y)}${suffix ?? ""} ${unit}`,
      },
    }),
  };
}

// A price over time with dots on it, whose areas follow what they weigh. `dots` is a list of
// {label, points: [[ms, price, weight]]}.
export function dotted(price, dots, { unit = "", ...span }) {
  const config = overTime([price], { ...span, unit, signed: true });
  const heaviest = Math.max(...dots.flatMap(({ points }) => points.map(([, , weight]) => weight)));
  dots.forEach(({ label, points }, number) => {
    const shade = color(`series-${number + 2}`);
    config.data.datasets.push({
      type: "bubble",
      label,
      data: points.map(([x, y, weight]) => ({ x, y, weight, r: 3 + 17 * Math.sqrt(weight / heaviest) })),
      backgroundColor: `${shade}80`,
      borderColor: shade,
      clip: false,
    });
  });
  const { plugins, interaction } = config.options;
  interaction.mode = "nearest";
  interaction.axis = "xy";
  plugins.legend.display = true;
  plugins.tooltip.callbacks.label = ({ dataset, raw, parsed }) =>
    `${dataset.label}: ${raw.weight ? `${full.format(raw.weight)} ${unit} at ` : ""}${full.format(parsed.y)}`;
  return config;
}

// Bars by category. `sets` is a list of {label, values, color? or colors?}; `mark` draws a line
// before a category, `title` names the categories and `tips` are their names in full.
export function byCategory(labels, sets, { horizontal = false, unit = "", signed, mark, title, tips = labels, stacked = false } = {}) {
  const values = valueAxis({ signed, whole: true });
  const names = {
    stacked,
    grid: { display: false },
    border: { color: color("chart-grid") },
    ticks: { color: color("chart-text"), autoSkip: false, maxRotation: 60, font: { size: 11 } },
    title: { display: Boolean(title), text: title, color: color("chart-text"), font: { size: 11 } },
  };
  values.stacked = stacked;
  if (signed) values.ticks.callback = (value) => short.format(Math.abs(value));
  const config = {
    type: "bar",
    data: {
      labels,
      datasets: sets.map((set, number) => ({
        label: set.label,
        data: set.values,
        backgroundColor: set.colors?.map(color) ?? color(set.color ?? `series-${number + 1}`),
        maxBarThickness: 32,
      })),
    },
    options: frame({
      horizontal,
      scales: horizontal ? { x: values, y: names } : { x: names, y: values },
      legend: sets.length > 1,
      tooltip: {
        title: ([item]) => tips[item.dataIndex],
        label: (item) => `${item.dataset.label}: ${full.format(Math.abs(item.raw))} ${unit}`,
      },
    }),
  };
  if (mark) config.plugins = [markLine(mark)];
  return config;
}

// A bar from low to high for each category, and a point on it where there is one.
export function spans(labels, ends, points, { unit = "" } = {}) {
  const between = ([low, high]) => `${full.format(low)} to ${full.format(high)} ${unit}`;
  const bars = { type: "bar", label: "From, to", data: ends, backgroundColor: `${color("series-1")}80`, maxBarThickness: 18, minBarLength: 2, order: 2 };
  const dots = { type: "scatter", label: "Mean", data: points.map((x, y) => ({ x, y: labels[y] })), backgroundColor: color("series-2"), pointRadius: 5, order: 1 };
  const x = valueAxis({ signed: ends.some(([low]) => low < 0) });
  const y = { type: "category", labels, grid: { display: false }, border: { color: color("chart-grid") }, ticks: { color: color("chart-text"), autoSkip: false } };
  return {
    type: "bar",
    data: { labels, datasets: points.length ? [dots, bars] : [bars] },
    options: frame({
      horizontal: true,
      scales: { x, y },
      legend: points.length > 0,
      tooltip: {
        title: ([item]) => (item ? labels[item.dataIndex] : ""),
        label: (item) => (item.dataset.type === "scatter" ? `Mean: ${full.format(item.parsed.x)} ${unit}` : between(item.raw)),
      },
    }),
  };
}

// A dashed line between two bars with a word beside it.
function markLine({ before, text }) {
  return {
    id: "mark",
    afterDatasetsDraw({ ctx, chartArea, scales: { x } }) {
      const at = (x.getPixelForValue(before - 1) + x.getPixelForValue(before)) / 2;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = color("alarm");
      ctx.setLineDash([4, 3]);
      ctx.beginPath();
      ctx.moveTo(at, chartArea.top);
      ctx.lineTo(at, chartArea.bottom);
      ctx.stroke();
      ctx.font = "11px Inter, sans-serif";
      ctx.fillText(text, at + 5, chartArea.top + 10);
      ctx.restore();
    },
  };
}

const drawn = new Map();

// Draw a chart into a canvas, or its new state; `config` is a function, so that it can be called
// again when the colours change.
export function draw(canvas, config) {
  const chart = drawn.get(canvas)?.chart;
  const { type, data, options, plugins } = config();
  if (chart) {
    data.datasets.forEach((set, number) => {
      set.hidden = !chart.isDatasetVisible(number) && number < chart.data.datasets.length;
    });
    chart.data = data;
    chart.options = options;
    chart.update("none");
  } else {
    drawn.set(canvas, { chart: new Chart(canvas, { type, data, options, plugins }) });
  }
  drawn.get(canvas).config = config;
}

function redraw() {
  drawn.forEach(({ config }, canvas) => draw(canvas, config));
}

new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
document.fonts.ready.then(redraw);

Chart.defaults.font.family = "Inter, sans-serif";
Chart.defaults.font.size = 12;

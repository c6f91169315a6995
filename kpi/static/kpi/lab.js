// The charts of a comparison; each stands beside the table of its numbers.

import { draw, overTime, spans } from "./charts.js";

const page = document.getElementById("lab");
const charts = JSON.parse(document.getElementById("lab-data").textContent);

function config(chart) {
  if (chart.kind === "spans") return () => spans(chart.labels, chart.spans, chart.points, { unit: chart.unit });
  const times = chart.lines.flatMap(({ points }) => points.map(([at]) => at));
  const since = Math.min(...times), until = Math.max(...times);
  const interval = (until - since) / Math.max(1, chart.lines[0].points.length - 1);
  return () => overTime(chart.lines, { since, until, interval, unit: chart.unit });
}

for (const [key, chart] of Object.entries(charts)) {
  const canvas = page.querySelector(`[data-panel="${key}"] canvas`);
  const isEmpty = !(chart.kind === "spans" ? chart.labels : chart.lines).length;
  if (isEmpty) canvas.parentElement.remove();
  else draw(canvas, config(chart));
}

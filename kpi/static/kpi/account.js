// The equity curve on the page of an account.

import { draw, overTime } from "./charts.js";

const panel = document.getElementById("equity-curve");
const { balance, equity, replayed } = JSON.parse(document.getElementById("equity-data").textContent);

if (balance.length) {
  const since = balance[0][0], until = balance.at(-1)[0];
  draw(panel.querySelector("canvas"), () =>
    overTime([
      { label: "Equity", points: equity, fill: false },
      { label: "Balance", points: balance, dashed: true, color: "series-3" },
    ], { since, until, interval: (until - since) / balance.length, replayed, unit: "USDT", signed: true }));
} else {
  panel.querySelector(".canvas").hidden = true;
  panel.querySelector(".empty").hidden = false;
}

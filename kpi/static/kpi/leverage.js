// The charts of the leverage page, and its slider: one question at a time, and the latest wins.

import { asked, refusal } from "./answers.js";
import { byCategory, dotted, draw, overTime } from "./charts.js";

const page = document.getElementById("leverage");
const charts = JSON.parse(document.getElementById("leverage-data").textContent);

const drawings = {
  bars: ({ labels, sets }) => byCategory(labels, sets, { stacked: true, unit: "USDT" }),
  cascade: ({ price, dots, ...span }) => dotted({ label: "Price", points: price }, dots, { ...span, unit: "USDT" }),
  time: ({ lines, ...span }) => overTime(lines, { ...span, unit: "USDT" }),
};

for (const [key, chart] of Object.entries(charts)) {
  const canvas = page.querySelector(`[data-panel="${key}"] canvas`);
  if (chart.labels?.length === 0) canvas.parentElement.remove();
  else draw(canvas, () => drawings[chart.kind](chart));
}

const form = document.getElementById("what-if-form");
const answer = document.getElementById("what-if");
const said = document.getElementById("what-if-said");
const trouble = document.getElementById("what-if-trouble");
const range = document.getElementById("move-range");
// While somebody else's move is worked out: how many ms to wait, longer each time, and how often.
const FIRST_PAUSE = 300, LONGER = 1.5, LONGEST_PAUSE = 5_000, AGAIN = 15;
let wanted = null, isAsking = false;

// What was asked in the end, and its answer: who has to ask again asks what is wanted by then.
async function fetched(query) {
  let pause = FIRST_PAUSE;
  for (let again = AGAIN; ; again -= 1) {
    const response = await asked(`${form.dataset.url}?${query}`);
    if (response.ok) return [query, await response.text()];
    if (response.status !== 429) throw await refusal(response);
    if (!again) throw new Error("other moves are being worked out all the time; move the slider to ask again.");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * LONGER, LONGEST_PAUSE);
    query = wanted ?? query;
    wanted = null;
  }
}

async function ask() {
  wanted = new URLSearchParams(new FormData(form));
  if (isAsking) return;
  isAsking = true;
  answer.setAttribute("aria-busy", "true");
  while (wanted) {
    const next = wanted;
    wanted = null;
    try {
      const [query, text] = await fetched(next);
      answer.innerHTML = text;
      said.textContent = answer.querySelector("[data-said]").dataset.said;
      history.replaceState(null, "", `?${query}`);
      trouble.hidden = true;
    } catch (error) {
      trouble.textContent = `No answer: ${error.message}`;
      trouble.hidden = false;
    }
  }
  answer.removeAttribute("aria-busy");
  isAsking = false;
}

form.addEventListener("input", ({ target }) => {
  if (target === range) form.move.value = range.value;
  else if (target === form.move) range.value = form.move.value;
  if (form.checkValidity()) ask();
});
form.addEventListener("submit", (event) => event.preventDefault());

// Changed before this script was there to hear of it.
const served = form.cloneNode(true);
served.reset();
[...form.elements].forEach((field, at) => {
  if (field.value !== served.elements[at].value) field.dispatchEvent(new Event("input", { bubbles: true }));
});

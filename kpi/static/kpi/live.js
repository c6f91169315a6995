// Keeps the dashboard live: told by the exchange's stream where that can be reached, else by asking
// every few seconds. Nothing here is done more often than a few times a second, whatever happens.

import { clock } from "./charts.js";

// Of the stream: `kpi` comes every five seconds, and is how the page knows that it is told.
const EVENTS = "?user_id=all&channels=kpi,halts,liquidations,marks";
const SILENCE = 15000, AGAIN = 5000, LONGEST_AGAIN = 300000;
// Of asking: how often without the stream, and with it, so that who logged out elsewhere sees nothing.
const PAUSE = 5000, LONGEST_PAUSE = 30000, PAUSE_BESIDE_STREAM = 60000, PATIENCE = 10000;
// Between two times at which what happened is shown.
const BETWEEN_ASKING = 2000, BETWEEN_MARKS = 500, MOST_MARKS = 200;

// `wanted` names the window on display, `show` draws its data, `showMarks` takes mark prices and
// `say` tells the person how things are.
export function keepLive({ dataUrl, streamUrl, shownAt, wanted, show, showMarks, say }) {
  let stream, isTold = false, losses = 0, silence, again;
  let asking, isAsking = false, failures = 0, timer, askedAt = 0, asksSoon;
  let marks = [], drawing;

  function draw(data) {
    shownAt = data.at;
    show(data);
    tell();
  }

  function tell() {
    const how = isTold ? "by the stream" : `asked every ${PAUSE / 1000} s, without the stream`;
    say("live", `updated ${clock(shownAt, { seconds: true })} UTC, ${how}`);
  }

  async function ask() {
    clearTimeout(timer);
    clearTimeout(asksSoon);
    asksSoon = undefined;
    [isAsking, askedAt] = [true, performance.now()];
    asking?.abort();
    const request = (asking = new AbortController());
    const limit = setTimeout(() => request.abort(), PATIENCE);
    try {
      const answer = await fetch(`${dataUrl}?window=${wanted()}`, { signal: request.signal, redirect: "error" });
      if (answer.status === 403) {
        rest();
        say("lost", "logged out: reload the page to log in");
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      const data = await answer.json();
      if (request !== asking) return;
      failures = 0;
      draw(data);
    } catch {
      if (request !== asking) return;
      failures += 1;
      say("lost", `lost connection; last update ${clock(shownAt, { seconds: true })} UTC`);
    } finally {
      clearTimeout(limit);
      if (request === asking) isAsking = false;
    }
    wait();
  }

  function wait() {
    clearTimeout(timer);
    if (document.hidden) return;
    const pause = isTold && !failures ? PAUSE_BESIDE_STREAM : Math.min(PAUSE * 2 ** failures, LONGEST_PAUSE);
    timer = setTimeout(ask, pause);
  }

  // At once, and then no sooner than some time after the last time, or once that is answered.
  function askSoon() {
    const pause = isAsking ? BETWEEN_ASKING : Math.max(0, askedAt + BETWEEN_ASKING - performance.now());
    asksSoon ??= setTimeout(() => {
      asksSoon = undefined;
      if (isAsking) askSoon();
      else ask();
    }, pause);
  }

  function listen() {
    const source = (stream = new EventSource(streamUrl + EVENTS));
    const on = (name, hear) => source.addEventListener(name, (event) => source === stream && hear(event));
    watch();
    on("kpi", ({ data }) => {
      watch();
      const figures = JSON.parse(data), wasTold = isTold;
      [isTold, losses] = [true, 0];
      if (figures.window === wanted()) {
        failures = 0;
        draw(figures);
      } else askSoon();
      if (!wasTold) wait();
    });
    on("halt", askSoon);
    on("liquidation", askSoon);
    on("mark", ({ data }) => {
      marks.push(data);
      if (marks.length > MOST_MARKS) marks.shift();
      drawing ??= setTimeout(drawMarks, BETWEEN_MARKS);
    });
    on("closed", lose);
    on("error", lose);
  }

  function drawMarks() {
    drawing = undefined;
    const latest = new Map(marks.map((text) => JSON.parse(text)).map((mark) => [mark.symbol, mark]));
    marks = [];
    showMarks(latest);
  }

  function watch() {
    clearTimeout(silence);
    silence = setTimeout(lose, SILENCE);
  }

  // Without the stream for a while; it is tried again less and less often.
  function lose() {
    const wasTold = isTold;
    unlisten();
    again = setTimeout(listen, Math.min(AGAIN * 2 ** losses, LONGEST_AGAIN));
    losses += 1;
    if (wasTold) ask();
  }

  function unlisten() {
    stream?.close();
    stream = undefined;
    isTold = false;
    clearTimeout(silence);
    clearTimeout(again);
  }

  function rest() {
    unlisten();
    asking?.abort();
    asking = undefined;
    isAsking = false;
    clearTimeout(timer);
    clearTimeout(asksSoon);
    asksSoon = undefined;
  }

  document.addEventListener("visibilitychange", () => {
    rest();
    if (document.hidden) return say("paused", "paused while hidden");
    ask();
    listen();
  });

  tell();
  if (document.hidden) return ask;
  wait();
  listen();
  return ask;
}

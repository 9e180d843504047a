// What happened in the last hour: a mark for each event, and the newest in words.

import { clock, element, find, shape } from "./dom.js";

const HOUR = 3600;
const WORDS = {
  crashed: "crash", restarted: "restart", gave_up: "gave up", terminated: "ended", node_up: "joined", node_down: "left", acted: "by hand",
};
const HIGH = { crashed: 12, gave_up: 12, node_down: 22, node_up: 22, restarted: 32, terminated: 32, acted: 22 };
const box = find("timeline");
let drawn = "";

export function show(events, now) {
  const key = `${events.length} ${events.at(-1)?.time} ${Math.round(now / 10)}`;
  if (key === drawn) return;
  drawn = key;
  const marks = shape("svg", { role: "img", "aria-label": told(events), viewBox: "0 0 1000 46", preserveAspectRatio: "none" });
  marks.append(shape("line", { class: "axis", x1: 0, x2: 1000, y1: 44, y2: 44 }));
  for (const event of events) {
    const x = 1000 - ((now - event.time) / HOUR) * 1000;
    const mark = shape("rect", { class: event.type, x: x - 1.5, y: (HIGH[event.type] ?? 32) - 8, width: 3, height: 12, rx: 1 });
    mark.append(shape("title", {}, `${clock(event.time)} ${said(event)}`));
    marks.append(mark);
  }
  const hours = element("div", { class: "hours", "aria-hidden": "true" },
    ...[60, 45, 30, 15].map((minutes) => element("span", {}, `−${minutes} min`)), element("span", {}, "now"));
  const newest = events.slice(-50).reverse().map((event) => element("li", {},
    element("time", {}, clock(event.time)),
    element("span", { class: "what" }, WORDS[event.type] ?? event.type),
    element("span", {}, said(event))));
  const words = newest.length
    ? element("ol", { tabindex: 0, "aria-label": "What happened, the newest first" }, ...newest)
    : element("p", { class: "empty" }, "Nothing happened: no crash, no restart, nobody came or went.");
  box.replaceChildren(marks, hours, words);
}

function said(event) {
  return event.message.includes(event.name) ? event.message : `${event.name}: ${event.message}`;
}

function told(events) {
  const counts = {};
  for (const event of events) counts[event.type] = (counts[event.type] ?? 0) + 1;
  const parts = Object.entries(counts).map(([type, count]) => `${count} × ${WORDS[type] ?? type}`);
  return parts.length ? parts.join(", ") : "nothing happened";
}

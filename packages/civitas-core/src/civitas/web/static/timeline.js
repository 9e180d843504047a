// What happened in the last hour: a mark for each event, and the newest in words.

import { clock, element, find, shape } from "./dom.js";

const HOUR = 3600;
const SHOWN = 60;
const MOST = 2000;
const WORDS = {
  crashed: "crash", restarted: "restart", gave_up: "gave up", terminated: "ended", node_up: "joined", node_down: "left",
  acted: "by hand", blocked: "blocked", deployed: "deployed",
};
const LANES = [["crashed", "gave_up"], ["restarted", "terminated"], ["node_up", "node_down", "acted", "blocked", "deployed"]];
const picture = element("div");
const list = element("ol", { tabindex: 0, "aria-label": "What happened, the newest first" });
const nothing = element("p", { class: "empty" }, "Nothing happened: no crash, no restart, nobody came or went.");
find("timeline").append(picture, list, nothing);
let drawn = "";

// The events of the last hour, the oldest first.
export const within = (events, now) =>
  events.filter((event) => event.time > now - HOUR).sort((one, other) => one.time - other.time).slice(-MOST);

const lane = (type) => Math.max(0, LANES.findIndex((types) => types.includes(type)));

export function show(events, now) {
  const key = `${events.length} ${events.at(-1)?.time} ${Math.round(now / 10)}`;
  if (key === drawn) return;
  drawn = key;
  const marks = shape("svg", { role: "img", "aria-label": told(events), viewBox: "0 0 1000 48", preserveAspectRatio: "none" });
  LANES.forEach((_, i) => marks.append(shape("line", { class: "axis", x1: 0, x2: 1000, y1: 8 + i * 16, y2: 8 + i * 16, "vector-effect": "non-scaling-stroke" })));
  for (const event of events) {
    const x = 1000 - ((now - event.time) / HOUR) * 1000;
    const mark = shape("rect", { class: event.type, x: Math.min(996, x - 2), y: 2 + lane(event.type) * 16, width: 4, height: 12, rx: 1.5 });
    mark.append(shape("title", {}, `${clock(event.time)} ${said(event)}`));
    marks.append(mark);
  }
  const hours = element("div", { class: "hours", "aria-hidden": "true" },
    ...[60, 45, 30, 15].map((minutes) => element("span", {}, `−${minutes} min`)), element("span", {}, "now"));
  picture.replaceChildren(marks, hours);
  list.replaceChildren(...events.slice(-SHOWN).reverse().map((event) => element("li", {},
    element("time", {}, clock(event.time)),
    element("span", { class: `what ${event.type}` }, WORDS[event.type] ?? event.type),
    element("span", { dir: "auto" }, said(event)))));
  list.hidden = !events.length;
  nothing.hidden = events.length > 0;
  find("timeline-counts").replaceChildren(...counts(events).map(([type, count]) =>
    element("span", { class: type }, `${WORDS[type] ?? type} ${count}`)));
}

function said(event) {
  return event.message.includes(event.name) ? event.message : `${event.name}: ${event.message}`;
}

function counts(events) {
  const found = new Map();
  for (const event of events) found.set(event.type, (found.get(event.type) ?? 0) + 1);
  return [...found];
}

function told(events) {
  return counts(events).map(([type, count]) => `${count} × ${WORDS[type] ?? type}`).join(", ") || "nothing happened";
}

// The tree of agents: only the rows that are in view exist, so that ten thousand cost no more than fifty.

import { ago, element, find, number } from "./dom.js";

const HEIGHT = 34;
const box = find("agents");
const space = element("div", { role: "presentation" });
box.append(space);

let agents = new Map();
let rows = [];
let at = 0;
let now = 0;
let needle = "";

export function show(known, time, changedShape) {
  agents = known;
  now = time;
  if (changedShape) order();
  draw();
}

// Agents whose parents come first, each below its own.
function order() {
  const below = new Map();
  for (const agent of agents.values()) {
    const parent = agents.has(agent.parent) ? agent.parent : null;
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(agent.name);
  }
  rows = [];
  const ahead = (below.get(null) ?? []).map((name) => [name, 0]).reverse();
  while (ahead.length) {
    const [name, depth] = ahead.pop();
    if (!needle || name.toLowerCase().includes(needle)) rows.push([name, needle ? 0 : depth]);
    const children = below.get(name) ?? [];
    for (let i = children.length - 1; i >= 0; i--) ahead.push([children[i], depth + 1]);
  }
  at = Math.min(at, Math.max(0, rows.length - 1));
}

function doing(agent) {
  if (agent.paused) return "paused";
  if (agent.due) return `starts again in ${ago(agent.due - now)}`;
  if (agent.status !== "running") return agent.last_error ? `${agent.status}: ${agent.last_error}` : agent.status;
  const hand = agent.handling;
  if (hand) {
    const what = hand.step || hand.type;
    const asks = hand.asks.length ? `, asks ${hand.asks.join(", ")}` : "";
    return `${what} for ${ago(now - hand.since)}${asks}`;
  }
  if (agent.next) return `due in ${ago(agent.next - now)}`;
  return agent.kind === "agent" ? "waits" : agent.kind.replaceAll("_", " ");
}

function mood(agent) {
  if (agent.status === "terminated") return "bad";
  if (agent.paused || agent.due || agent.status !== "running") return "warn";
  return agent.handling ? "busy" : "";
}

function draw() {
  box.style.height = `min(62vh, ${Math.max(3, rows.length) * HEIGHT + 2}px)`;
  const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 4);
  const shown = rows.slice(first, first + Math.ceil(box.clientHeight / HEIGHT) + 8);
  space.style.height = `${rows.length * HEIGHT}px`;
  space.replaceChildren(...shown.map(([name, depth], i) => {
    const agent = agents.get(name);
    const index = first + i;
    const kind = agent.kind === "agent" ? "" : "supervisor";
    const label = element("span", { class: "name", title: name }, name);
    label.style.paddingLeft = `${depth * 18}px`;
    const row = element("div", {
      id: `row-${index}`, role: "treeitem", "aria-level": depth + 1, "aria-setsize": rows.length, "aria-posinset": index + 1,
      "aria-selected": index === at ? "true" : "false",
      class: `row ${kind} ${mood(agent)} ${index === at && document.activeElement === box ? "at" : ""}`,
    },
    label,
    element("span", { class: "doing" }, doing(agent)),
    element("span", { class: "number" }, agent.waiting ? `${number(agent.waiting)} wait` : ""),
    element("span", { class: "number restarts", title: "restarts" }, agent.restarts ? `↻ ${number(agent.restarts)}` : ""));
    row.style.top = `${index * HEIGHT}px`;
    return row;
  }));
  if (!rows.length) space.append(element("p", { class: "empty" }, needle ? "No agent has that in its name." : "No agents yet."));
  box.setAttribute("aria-activedescendant", `row-${at}`);
}

function go(index) {
  at = Math.max(0, Math.min(rows.length - 1, index));
  const top = at * HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
  draw();
}

const page = () => Math.floor(box.clientHeight / HEIGHT) - 1;
const KEYS = {
  ArrowDown: () => at + 1, ArrowUp: () => at - 1, PageDown: () => at + page(), PageUp: () => at - page(),
  Home: () => 0, End: () => rows.length - 1,
};

box.addEventListener("scroll", draw, { passive: true });
box.addEventListener("focus", draw);
box.addEventListener("blur", draw);
box.addEventListener("keydown", (event) => {
  if (!(event.key in KEYS)) return;
  event.preventDefault();
  go(KEYS[event.key]());
});
box.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (row) go(Number(row.id.slice(4)));
});
addEventListener("resize", draw);
find("search").addEventListener("input", (event) => {
  needle = event.target.value.toLowerCase();
  box.scrollTop = 0;
  order();
  draw();
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) {
    event.preventDefault();
    find("search").focus();
  }
});

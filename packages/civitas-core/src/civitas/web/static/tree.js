// The tree of agents: only the rows that are in view exist, so that ten thousand cost no more than fifty.

import { element, find, number } from "./dom.js";
import { doing, isAgent, mood } from "./words.js";

const HEIGHT = 34;
const MANY = 40;  // a supervisor of more children is shown closed until somebody opens it
const box = find("agents");
const space = element("div", { role: "presentation" });
box.append(space);

let agents = new Map();
let below = new Map();
let sums = new Map();
let rows = [];
let at = 0;
let now = 0;
let needle = "";
let opens = () => {};
const open = new Map();  // what somebody opened or closed by hand

export function show(known, time, changedShape, onOpen) {
  agents = known;
  now = time;
  opens = onOpen;
  if (changedShape) arrange();
  count();
  draw();
}

function arrange() {
  below = new Map();
  for (const agent of agents.values()) {
    const parent = agents.has(agent.parent) ? agent.parent : null;
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(agent.name);
  }
  order();
}

const isOpen = (name) => open.get(name) ?? (below.get(name)?.length ?? 0) <= MANY;

// Agents whose parents come first, each below its own; those that a search finds, in one list.
function order() {
  const chosen = rows[at]?.name;
  rows = [];
  const ahead = (below.get(null) ?? []).map((name) => [name, 1]).reverse();
  while (ahead.length) {
    const [name, level] = ahead.pop();
    if (!needle || name.toLowerCase().includes(needle)) rows.push({ name, level: needle ? 1 : level });
    if (!needle && !isOpen(name)) continue;
    const children = below.get(name) ?? [];
    for (let i = children.length - 1; i >= 0; i--) ahead.push([children[i], level + 1]);
  }
  const same = chosen === undefined ? -1 : rows.findIndex((row) => row.name === chosen);
  at = same >= 0 ? same : Math.min(at, Math.max(0, rows.length - 1));
}

// How many agents are below each supervisor, and how they are.
function count() {
  sums = new Map();
  for (const agent of agents.values()) {
    if (!isAgent(agent)) continue;
    const how = mood(agent);
    for (let above = agents.get(agent.parent); above; above = agents.get(above.parent)) {
      let sum = sums.get(above.name);
      if (!sum) sums.set(above.name, sum = { all: 0, busy: 0, warn: 0, bad: 0, waiting: 0 });
      sum.all += 1;
      if (how) sum[how] += 1;
      sum.waiting += agent.waiting ?? 0;
    }
  }
}

function summary(agent) {
  const sum = sums.get(agent.name);
  if (!sum) return mood(agent) ? doing(agent, now) : "no agents";
  const parts = [`${number(sum.all)} agent${sum.all === 1 ? "" : "s"}`];
  if (sum.busy) parts.push(`${number(sum.busy)} busy`);
  if (sum.warn) parts.push(`${number(sum.warn)} not running`);
  if (sum.bad) parts.push(`${number(sum.bad)} given up`);
  return mood(agent) ? `${doing(agent, now)}, ${parts.join(", ")}` : parts.join(", ");
}

// A row is made once and changed after that: one that is made again under the pointer loses its click.
function make(name) {
  const parts = {
    twist: element("span", { class: "twist", "aria-hidden": "true" }),
    name: element("span", { class: "name", title: name }),
    doing: element("span", { class: "doing" }),
    waiting: element("span", { class: "number" }),
    restarts: element("span", { class: "number restarts", title: "restarts" }),
  };
  parts.name.append(parts.twist, element("span", { class: "dot" }), element("bdi", {}, name));
  const row = element("div", { role: "treeitem" }, parts.name, parts.doing, parts.waiting, parts.restarts);
  return Object.assign(row, { parts });
}

function say(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

function paint(row, { name, level }, index) {
  const agent = agents.get(name);
  const leaf = isAgent(agent);
  const parent = !needle && (below.get(name)?.length ?? 0) > 0;
  const sum = sums.get(name);
  const hides = !leaf && sum && (needle || !isOpen(name));
  const how = mood(agent) || (hides && ((sum.bad && "bad") || (sum.warn && "warn"))) || "";
  const waiting = leaf ? agent.waiting : sum?.waiting;
  const { parts } = row;
  const attributes = {
    id: `row-${index}`, "aria-level": level, "aria-setsize": rows.length, "aria-posinset": index + 1,
    "aria-selected": index === at ? "true" : "false",
    class: `row ${leaf ? "" : "supervisor"} ${how} ${index === at && document.activeElement === box ? "at" : ""}`,
    ...(parent ? { "aria-expanded": String(isOpen(name)) } : {}),
  };
  for (const [key, value] of Object.entries(attributes)) row.setAttribute(key, value);
  if (!parent) row.removeAttribute("aria-expanded");
  row.style.top = `${index * HEIGHT}px`;
  parts.name.style.paddingLeft = `${(level - 1) * 18}px`;
  say(parts.twist, parent ? "▸" : "");
  say(parts.doing, leaf ? doing(agent, now) : summary(agent));
  say(parts.waiting, waiting ? `${number(waiting)} wait` : "");
  say(parts.restarts, agent.restarts ? `↻ ${number(agent.restarts)}` : "");
}

let inView = new Map();

function draw() {
  box.style.height = `min(62vh, ${Math.max(3, rows.length) * HEIGHT + 2}px)`;
  const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - 4);
  const shown = rows.slice(first, first + Math.ceil(box.clientHeight / HEIGHT) + 8);
  space.style.height = `${rows.length * HEIGHT}px`;
  const before = inView;
  inView = new Map(shown.map((each) => [each.name, before.get(each.name) ?? make(each.name)]));
  for (const [name, row] of before) if (!inView.has(name)) row.remove();
  shown.forEach((each, i) => {
    const row = inView.get(each.name);
    paint(row, each, first + i);
    if (space.children[i] !== row) space.insertBefore(row, space.children[i] ?? null);
  });
  space.querySelector(".empty")?.remove();
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

function turn(name, how) {
  if (!(below.get(name)?.length) || isOpen(name) === how) return false;
  open.set(name, how);
  order();
  draw();
  return true;
}

function up() {
  const parent = agents.get(rows[at]?.name)?.parent;
  const index = rows.findIndex((each) => each.name === parent);
  if (index >= 0) go(index);
}

const page = () => Math.floor(box.clientHeight / HEIGHT) - 1;
const KEYS = {
  ArrowDown: () => go(at + 1), ArrowUp: () => go(at - 1), PageDown: () => go(at + page()), PageUp: () => go(at - page()),
  Home: () => go(0), End: () => go(rows.length - 1),
  ArrowRight: () => { if (needle || !turn(rows[at]?.name, true)) go(at + 1); },
  ArrowLeft: () => { if (needle || !turn(rows[at]?.name, false)) up(); },
  Enter: () => opens(rows[at]?.name), " ": () => opens(rows[at]?.name),
};

box.addEventListener("scroll", draw, { passive: true });
box.addEventListener("focus", draw);
box.addEventListener("blur", draw);
box.addEventListener("keydown", (event) => {
  if (!(event.key in KEYS) || !rows.length || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
box.addEventListener("click", (event) => {
  const index = Number(event.target.closest(".row")?.id.slice(4) ?? -1);
  if (index < 0) return;
  go(index);
  const { name } = rows[index];
  if (event.target.closest(".twist")?.textContent) turn(name, !isOpen(name));
  else opens(name);
});
addEventListener("resize", draw);
find("search").addEventListener("input", (event) => {
  needle = event.target.value.toLowerCase();
  box.scrollTop = 0;
  at = 0;
  order();
  draw();
});
find("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") { event.preventDefault(); box.focus(); }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !document.querySelector("dialog[open]") && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) {
    event.preventDefault();
    find("search").focus();
  }
});

// The figures of the whole system, each with its last minutes as a small plot; they outlast a reload of the page.

import { ago, element, find, number, shape } from "./dom.js";

const LONGEST = 150;  // points
const SHORTEST = 30;
const KEPT = "civitas-figures";
const GAP = 10;  // seconds without a point, after which the plots begin again
let series = new Map();
let last = 0;
let system = "";

function plot(values) {
  const lowest = Math.min(...values, 0), highest = Math.max(...values);
  const span = highest - lowest || 1;
  const wide = Math.max(values.length, SHORTEST);  // a plot that has just begun fills its place soon
  const points = values.map((value, i) => [((wide - values.length + i) / (wide - 1)) * 100, 24 - ((value - lowest) / span) * 20]);
  const line = points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ");
  const begin = points[0][0].toFixed(2);
  return shape("svg", { viewBox: "0 0 100 26", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("polygon", { points: `${begin},26 ${line} 100,26`, class: "area" }),
    shape("polyline", { points: line, class: "curve", "vector-effect": "non-scaling-stroke" }));
}

// A card is made once and changed after that: a button that is made again loses its click, and whoever is on it.
const cards = new Map();

function figure([name, value, text, mood]) {
  if (!series.has(name)) series.set(name, []);
  const values = series.get(name);
  values.push(value);
  if (values.length > LONGEST) values.shift();
  let card = cards.get(name);
  if (!card) {
    const told = element("span"), drawn = element("div");
    card = { told, drawn, made: element("div", {}, element("dt", {}, name), element("dd", {}, told), drawn) };
    cards.set(name, card);
    find("figures").append(card.made);
  }
  card.made.className = `figure ${mood ?? ""}`;
  if (card.told.textContent !== text) card.told.textContent = text;
  card.drawn.replaceChildren(plot(values));
  return card.made;
}

function recall(name, time) {
  series = new Map();
  system = name;
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    if (kept.system === name && time - kept.last < GAP) series = new Map(kept.series);
  } catch { /* nothing is kept, or not by this version */ }
}

const milliseconds = (seconds) => seconds < 0.001 ? "< 1 ms" : seconds < 10 ? `${number(Math.round(seconds * 1000))} ms` : `${number(seconds)} s`;

// Whoever is at one message for longest: made once, as one that is made again under the pointer loses its click.
const longest = element("button", { type: "button", class: "link" });
let opens = () => {};
longest.addEventListener("click", () => opens(longest.textContent));

function atWork(found, now) {
  const name = found?.name ?? "";
  if (longest.textContent !== name) longest.textContent = name;
  longest.title = name;
  const seconds = found ? Math.max(0, now - found.handling.since) : 0;
  const made = figure(["longest at work", seconds, found ? ago(seconds) : "–"]);
  if (!made.contains(longest)) made.querySelector("dd").append(longest);
}

export function show(name, agents, nodes, time, onOpen) {
  opens = onOpen;
  if (name !== system || time - last > GAP) recall(name, time);
  last = time;
  let running = 0, all = 0, waiting = 0, rate = 0, tokens = 0, restarts = 0, slowest = null;
  for (const agent of agents.values()) {
    restarts += agent.restarts ?? 0;
    if (agent.kind !== "agent") continue;
    all += 1;
    running += agent.status === "running";
    waiting += agent.waiting ?? 0;
    if (agent.handling && !(slowest?.handling.since <= agent.handling.since)) slowest = agent;
    rate += agent.rate ?? 0;
    tokens += agent.tokens ?? 0;
  }
  const memory = nodes.reduce((sum, node) => sum + (node.memory ?? 0), 0);
  const lag = Math.max(0, ...nodes.map((node) => Math.max(node.lag, node.silent)));
  for (const each of [
    ["agents running", running, all === running ? number(all) : `${number(running)} of ${number(all)}`, all === running ? "" : "warn"],
    ["messages / s", rate, number(rate)],
    ["messages waiting", waiting, number(waiting)],
  ]) figure(each);
  atWork(slowest, time);
  for (const each of [
    ["restarts", restarts, number(restarts)],
    ["tokens", tokens, number(tokens)],
    ["loop lag", lag, milliseconds(lag), lag > 0.5 ? "bad" : ""],
    ["memory", memory, `${number(Math.round(memory / 1e6))} MB`],
  ]) figure(each);
  sessionStorage.setItem(KEPT, JSON.stringify({ system: name, last: time, series: [...series] }));
}

export function showNodes(nodes) {
  find("nodes").replaceChildren(...nodes.map((node) => {
    const mood = node.status === "up" && !node.silent ? "good" : "bad";
    const where = node.silent ? `no answer for ${Math.round(node.silent)} s` : `process ${node.pid ?? "–"} on ${node.host || "this machine"}`;
    return element("li", { class: "card" },
      element("div", { class: "head" }, element("strong", {}, node.name), element("span", { class: `pill ${mood}` }, node.status)),
      element("p", {}, `${number(node.agents)} agents, ${Math.round(node.cpu * 100)} % of a processor, ${number(Math.round((node.memory ?? 0) / 1e6))} MB`),
      element("p", { class: node.silent ? "bad" : "" }, where));
  }));
}

// The figures of the whole system, each with its last minutes as a small plot.

import { element, find, number, shape } from "./dom.js";

const LONGEST = 120;
const series = new Map();

function plot(values) {
  const highest = Math.max(...values, 1e-9);
  const ahead = LONGEST - values.length;
  const points = values.map((value, i) => `${((ahead + i) / (LONGEST - 1)) * 100},${24 - (value / highest) * 22}`).join(" ");
  return shape("svg", { viewBox: "0 0 100 26", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("line", { x1: 0, x2: 100, y1: 25, y2: 25, class: "axis", "vector-effect": "non-scaling-stroke" }),
    shape("polyline", { points, fill: "none", stroke: "currentColor", "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }));
}

function figure(name, value, text) {
  if (!series.has(name)) series.set(name, []);
  const values = series.get(name);
  values.push(value);
  if (values.length > LONGEST) values.shift();
  return element("div", { class: "figure" }, element("dt", {}, name), element("dd", {}, text), plot(values));
}

export function show(agents, nodes) {
  let running = 0, all = 0, waiting = 0, rate = 0, tokens = 0, restarts = 0;
  for (const agent of agents.values()) {
    restarts += agent.restarts;
    if (agent.kind !== "agent") continue;
    all += 1;
    running += agent.status === "running";
    waiting += agent.waiting;
    rate += agent.rate;
    tokens += agent.tokens;
  }
  const memory = nodes.reduce((sum, node) => sum + (node.memory ?? 0), 0);
  find("figures").replaceChildren(
    figure("agents running", running, `${number(running)} of ${number(all)}`),
    figure("messages a second", rate, number(rate)),
    figure("messages waiting", waiting, number(waiting)),
    figure("restarts", restarts, number(restarts)),
    figure("tokens", tokens, number(tokens)),
    figure("memory", memory, `${number(memory / 1e6)} MB`));
}

export function showNodes(nodes) {
  find("nodes").replaceChildren(...nodes.map((node) => {
    const mood = node.status === "up" && !node.silent ? "good" : "bad";
    return element("li", { class: "card" },
      element("div", { class: "head" }, element("strong", {}, node.name), element("span", { class: `pill ${mood}` }, node.status)),
      element("p", {}, `${number(node.agents)} agents, ${Math.round(node.cpu * 100)} % of a processor, ${number((node.memory ?? 0) / 1e6)} MB`),
      element("p", { class: node.silent ? "bad" : "" }, node.silent ? `no answer for ${Math.round(node.silent)} s` : `process ${node.pid ?? "–"} on ${node.host || "this machine"}`));
  }));
}

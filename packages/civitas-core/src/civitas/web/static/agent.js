// One agent, looked into: what it does, what waits, what went wrong, its state, its conversations; and what can be done.

import { ago, clock, element, number, toast } from "./dom.js";
import { open, view } from "./drawer.js";
import { act } from "./server.js";
import { known } from "./known.js";
import { sure } from "./sure.js";
import { doing, isAgent, mood } from "./words.js";

const POOL = "conversation_pool";
const UNITS = { usd: (left) => `$${number(left)}`, seconds: (left) => ago(left) };
const SAID = { restart: "restarted", stop: "stopped", start: "started", pause: "paused", resume: "goes on" };

async function read(name, ask) {
  const found = await ask("agent", { name });
  if (found.kind !== "agent" && found.kind !== POOL) return found;
  const talks = await ask("conversations", { agent: name }).catch(() => ({ conversations: [], all: 0 }));
  return { ...found, talks };
}

async function carryOut(what, name) {
  try {
    await act({ do: what, agent: name });
    toast(`${name} ${SAID[what]}.`);
  } catch (error) { toast(error.message); }
}

const ACTIONS = [["start", "Start"], ["restart", "Restart"], ["resume", "Resume"], ["pause", "Pause"], ["stop", "Stop"]];

const actions = (name) => element("div", { class: "actions" },
  ...ACTIONS.map(([what, label]) => sure(label, () => carryOut(what, name), { careful: what === "restart" || what === "stop" })));

// They stay, and those that can be done are shown: none that was clicked once is made again.
function offer(part, agent) {
  const runs = !["terminated", "stopped"].includes(agent.status);
  const can = {
    start: agent.parent && !runs, restart: agent.parent && runs, stop: agent.parent && runs, pause: !agent.paused, resume: agent.paused,
  };
  part.querySelectorAll("button").forEach((button, i) => { button.hidden = !can[ACTIONS[i][0]]; });
}

const LIVE = { paused: false, restarts: 0, due: null, next: null, handling: null, waiting: 0, oldest: null, rate: 0, last_error: "", tokens: 0, budget: null };

function facts(agent, now) {
  const hand = agent.handling;
  return [
    ["does", doing(agent, now)],
    hand && ["message", `${hand.type}${hand.sender ? ` from ${hand.sender}` : ""}${hand.attempt ? `, attempt ${hand.attempt + 1}` : ""}`],
    hand?.conversation && ["conversation", hand.conversation],
    agent.waiting && ["waiting", `${number(agent.waiting)} messages, the first for ${ago(now - (agent.oldest ?? now))}`],
    isAgent(agent) && agent.handled !== undefined && ["handled", `${number(agent.handled)}${agent.failed ? `, ${number(agent.failed)} of them failed` : ""}${agent.rate ? `, ${number(agent.rate)} a second` : ""}`],
    agent.tokens && ["tokens", number(agent.tokens)],
    agent.budget && ["budget left", Object.entries(agent.budget).map(([what, left]) => UNITS[what]?.(left) ?? `${number(left)} ${what}`).join(", ")],
    agent.started && ["running since", `${clock(agent.started)}, for ${ago(now - agent.started)}`],
    ["restarts", `${number(agent.restarts)}${agent.restarts_left ? `, ${number(agent.restarts_left)} left` : agent.restarts_left === 0 ? ", none left" : ""}`],
    agent.node && ["runs in", `${agent.node}${agent.pid ? `, process ${agent.pid}` : ""}`],
    agent.parent && ["supervisor", agent.parent],
  ].filter(Boolean);
}

function list(rows) {
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", { dir: "auto" }, name === "supervisor" ? linked("agent", value, value) : "")]));
}

// Texts are changed where they stand, so that what somebody selects there stays selected.
function fill(part, rows) {
  part.querySelectorAll("dd").forEach((where, i) => {
    const [name, value] = rows[i];
    if (name !== "supervisor" && where.textContent !== value) where.textContent = value;
  });
}

const linked = (kind, name, text) => element("button", { type: "button", class: "link", click: () => open(kind, name) }, text);

function titled(text, ...children) {
  const made = document.createDocumentFragment();
  made.append(element("h3", {}, text), ...children);
  return made;
}

const errors = (list) => titled("Last errors", ...list.toReversed().map((each) =>
  element("details", {},
    element("summary", {}, element("time", {}, clock(each.time)), " ", each.error.slice(0, 2000)),
    element("pre", {}, each.traceback || "no traceback"))));

const queue = (list, now) => titled("Waiting messages", element("ul", { class: "list" }, ...list.map((each) =>
  element("li", {}, element("strong", {}, each.type), ` from ${each.sender ?? "outside"}`,
    each.conversation ? `, ${each.conversation}` : "", `, ${ago(now - each.sent)}, ${number(each.bytes)} bytes`))));

const stack = (frames) => titled("Where its code is", element("pre", {},
  frames.map((each) => `${each.function ?? each.name ?? ""}  ${each.file}:${each.line}`).join("\n")));

const talks = (name, told) => titled(`Conversations${told.all > told.conversations.length ? `, ${number(told.conversations.length)} of ${number(told.all)}` : ""}`,
  element("ul", { class: "list" }, ...told.conversations.map((each) => element("li", {},
    linked("conversation", `${name}/${each.name}`, each.name), each.used ? ` ${ago(known.time - each.used)} ago` : ""))));

const left = (amounts, limits) => Object.entries(amounts).map(([what, some]) => {
  const said = UNITS[what] ?? number;
  return `${said(some)} of ${said(limits[what])}${UNITS[what] ? "" : ` ${what}`}`;
}).join(", ");

const budgets = (list) => titled("Budgets", element("ul", { class: "list" }, ...list.slice(0, 50).map((each) =>
  element("li", { dir: "auto" }, element("strong", {}, each.of), ` ${left(each.left, each.limits)} left`))));

const children = (list) => titled("Below it", element("ul", { class: "list" }, ...list.map((each) =>
  element("li", { class: mood(each) }, linked("agent", each.name, each.name), ` ${doing(each, known.time)}`))));

function draw(name, told, isTold) {
  const live = known.agents.get(name);
  const agent = { ...told, ...(live ? { ...LIVE, ...live } : {}) };
  const parts = [];
  if (!agent.name) return isTold ? [["gone", name, () => element("p", { class: "empty" }, "It is not there any more.")]] : [];
  if (known.acts) parts.push(["actions", 0, () => actions(name), (part) => offer(part, agent)]);
  const rows = facts(agent, known.time);
  parts.push(["facts", [rows.map(([each]) => each), agent.parent], () => list(rows), (part) => fill(part, rows)]);
  if (!isTold) return parts;
  const below = isAgent(agent) ? [] : [...known.agents.values()].filter((each) => each.parent === name).slice(0, 100);
  if (below.length) parts.push(["below", [below, Math.round(known.time / 2)], () => children(below)]);
  if (known.agents.get(agent.parent)?.kind === POOL) {
    parts.push(["talk", name, () => element("p", {}, linked("conversation", name, "Read the conversation"))]);
  }
  if (told.budgets?.length) parts.push(["budgets", told.budgets, () => budgets(told.budgets)]);
  if (told.talks?.conversations.length) parts.push(["talks", told.talks, () => talks(name, told.talks)]);
  if (told.errors?.length) parts.push(["errors", told.errors, () => errors(told.errors)]);
  if (told.queue?.length) parts.push(["queue", told.queue, () => queue(told.queue, known.time)]);
  if (told.stack?.length) parts.push(["stack", told.stack, () => stack(told.stack)]);
  if (told.state) parts.push(["state", told.state, () => titled("State", element("pre", {}, told.state))]);
  return parts;
}

view("agent", { read, draw });

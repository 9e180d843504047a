// Runs with what they do and cost, and those that wait for a person.

import { ago, element, find, number, toast } from "./dom.js";
import { open } from "./drawer.js";
import { known } from "./known.js";
import { act, ask } from "./server.js";

const SHOWN = 60;
const asked = new Map();  // the card of each question, kept while somebody types into it
const cards = new Map();
const MOODS = { running: "good", waiting: "warn", failed: "bad", expired: "bad" };

function step(run) {
  const waits = run.waits_for.map((each) => ({
    human: () => "waits for a person",
    agent: () => `waits for ${each.name}`,
    retry: () => "tries again soon",
  })[each.for]?.() ?? "waits");
  return [run.step, ...waits].filter(Boolean).join(", ");
}

function cost(run) {
  const used = run.usage;
  if (!used) return "";
  const calls = used.requests ? `${number(used.requests)} call${used.requests === 1 ? "" : "s"}, ` : "";
  return `${calls}${number(used.input_tokens)} → ${number(used.output_tokens)} tokens`;
}

const spent = (run, now) => ago((run.ended ?? now) - (run.begun ?? run.since));

function talk(run) {
  const family = run.agent.split("/")[0];
  return element("button", {
    type: "button", class: "link", title: "Read the conversation",
    click: () => open("conversation", `${family}/${run.conversation}`),
  }, run.conversation);
}

function card(run) {
  const made = element("li", { class: "card run" },
    element("div", { class: "head" },
      element("strong", { title: run.run }, run.agent),
      element("span", { class: `pill ${MOODS[run.status] ?? ""}` }, run.status)));
  const spans = [element("span", { class: "spent" }, spent(run, known.time))];
  if (cost(run)) spans.push(element("span", {}, cost(run)));
  if (run.deliveries > 1) spans.push(element("span", {}, `attempt ${run.deliveries}`));
  if (run.conversation !== null) spans.push(talk(run));
  made.append(element("p", { class: "facts-line" }, ...spans));
  if (step(run)) made.append(element("p", { class: "step" }, step(run)));
  if (run.error) made.append(element("p", { class: "bad" }, run.error));
  if (known.acts && run.ended === null && run.status !== "waiting") {
    made.append(element("form", { submit: (event) => { event.preventDefault(); cancel(run); } },
      element("button", { "aria-label": `Cancel the run of ${run.agent}` }, "Cancel")));
  }
  return made;
}

async function cancel(run) {
  try {
    toast((await act({ do: "cancel", run: run.run })) ? "The run is cancelled." : "It had ended already.");
  } catch (error) { toast(error.message); }
}

function question(run) {
  const text = element("pre", { dir: "auto" }, "…");
  const made = element("li", { class: "card" },
    element("div", { class: "head" }, element("strong", {}, run.agent), talk(run)), text);
  ask("answer", { run: run.run }).then((answer) => { text.textContent = readable(answer.payload); },
    (error) => { text.textContent = error.message; });
  if (!known.acts) {
    made.append(element("p", {}, "Read-only: unlock actions to answer here."));
    return made;
  }
  const answer = async (value) => {
    try {
      await act({ do: "answer", agent: run.agent, conversation: run.conversation, value });
      toast("Answered; the run goes on.");
    } catch (error) { toast(error.message); }
  };
  const own = element("input", { "aria-label": `Answer to ${run.agent}`, placeholder: "or an answer of your own" });
  made.append(element("form", { submit: (event) => { event.preventDefault(); if (own.value) answer(parsed(own.value)); } },
    element("button", { type: "button", class: "main", click: () => answer(true) }, "Approve"),
    element("button", { type: "button", click: () => answer(false) }, "Decline"),
    element("span", { class: "own" }, own, element("button", {}, "Send"))));
  return made;
}

function readable(payload) {
  const questions = payload?.interrupts;
  if (!Array.isArray(questions)) return JSON.stringify(payload, null, 2);
  return questions.map((each) => typeof each.value === "string" ? each.value : JSON.stringify(each.value ?? each, null, 2)).join("\n\n");
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return text; }
}

// The cards of a list, each made again only when what it says has changed.
function fill(list, runs, kept, make) {
  const there = new Set();
  const made = runs.map((run) => {
    there.add(run.run);
    const key = JSON.stringify([run, known.acts]);
    let old = kept.get(run.run);
    if (old?.key !== key) kept.set(run.run, old = { key, card: make(run) });
    return old.card;
  });
  for (const name of kept.keys()) if (!there.has(name)) kept.delete(name);
  if (made.length !== list.children.length || made.some((each, i) => list.children[i] !== each)) list.replaceChildren(...made);
}

export function show() {
  const newest = [...known.runs.values()].sort((one, other) => other.since - one.since);
  const waiting = newest.filter((run) => run.status === "waiting" && run.conversation !== null).reverse();
  fill(find("approvals").querySelector("ul"), waiting, asked, question);
  find("approvals").hidden = !waiting.length;
  find("waiting-count").textContent = waiting.length > 1 ? String(waiting.length) : "";
  const box = find("runs");
  const shown = newest.slice(0, SHOWN);
  fill(box, shown, cards, card);
  for (const run of shown) {
    if (run.ended !== null) continue;
    const text = spent(run, known.time);
    const at = cards.get(run.run).card.querySelector(".spent");
    if (at.textContent !== text) at.textContent = text;
  }
  if (!newest.length) box.replaceChildren(element("li", { class: "card" }, element("p", {}, "No runs of durable agents.")));
}

// Runs with what they do and cost, and those that wait for a person.

import { ago, element, find, money, number, toast } from "./dom.js";
import { open } from "./drawer.js";
import { known } from "./known.js";
import { answers, questionOf } from "./questions.js";
import { act } from "./server.js";
import { sure } from "./sure.js";

const SHOWN = 60;
const asked = new Map();  // the card of each question, kept while somebody types into it
const cards = new Map();
const MOODS = { running: "good", waiting: "warn", held: "warn", failed: "bad", expired: "bad" };

function step(run) {
  const waits = run.waits_for.map((each) => ({
    human: () => "waits for a person",
    agent: () => `waits for ${each.name}`,
    retry: () => "tries again soon",
    code: () => `began with other code: ${each.change}`,
  })[each.for]?.() ?? "waits");
  return [run.step, ...waits].filter(Boolean).join(", ");
}

function cost(run) {
  const used = run.usage;
  if (!used) return "";
  const calls = used.requests ? `${number(used.requests)} call${used.requests === 1 ? "" : "s"}, ` : "";
  const dollars = run.cost === null ? "" : `, ${money(run.cost)}`;
  return `${calls}${number(used.input_tokens)} → ${number(used.output_tokens)} tokens${dollars}`;
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
      element("button", { type: "button", class: "link", title: `Look into the run ${run.run}`, click: () => open("run", run.run) }, run.agent),
      element("span", { class: `pill ${MOODS[run.status] ?? ""}` }, run.status)));
  const spans = [element("span", { class: "spent" }, spent(run, known.time))];
  if (cost(run)) spans.push(element("span", {}, cost(run)));
  if (run.deliveries > 1) spans.push(element("span", {}, `attempt ${run.deliveries}`));
  if (run.conversation !== null) spans.push(talk(run));
  if (known.acts && run.ended === null && run.status !== "waiting") {
    spans.push(sure("Cancel", () => cancel(run), { about: `the run of ${run.agent}` }));
  }
  made.append(element("p", { class: "facts-line" }, ...spans));
  if (step(run)) made.append(element("p", { class: "step" }, step(run)));
  if (run.error) made.append(element("p", { class: "bad" }, run.error));
  return made;
}

async function cancel(run) {
  try {
    toast((await act({ do: "cancel", run: run.run })) ? "The run is cancelled." : "It had ended already.");
  } catch (error) { toast(error.message); }
}

function question(run) {
  const text = element("pre", { dir: "auto" }, "…");
  questionOf(run).then((asked) => { text.textContent = asked; }, (error) => { text.textContent = error.message; });
  return element("li", { class: "card" },
    element("div", { class: "head" }, element("strong", {}, run.agent), talk(run)), text,
    known.acts ? answers(run) : element("p", {}, "Read-only: unlock actions to answer here."));
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

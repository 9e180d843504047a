// Runs with what they do and cost, and those that wait for a person.

import { ago, element, find, number, toast } from "./dom.js";
import { act, answerOf } from "./server.js";

const asked = new Map();  // the card of each question, kept while somebody types into it
const MOODS = { running: "good", waiting: "warn", failed: "bad", expired: "bad" };

function step(run) {
  const waits = run.waits_for.map((each) => ({
    human: () => "waits for a person",
    agent: () => `waits for ${each.name}`,
    retry: () => "tries again soon",
  })[each.for]?.() ?? "waits");
  return [run.step, ...waits].filter(Boolean).join(", ");
}

function card(run, now, acts) {
  const spent = (run.ended ?? now) - (run.begun ?? run.since);
  const used = run.usage ? `, ${number(run.usage.total_tokens)} tokens` : "";
  const tries = run.deliveries > 1 ? `, attempt ${run.deliveries}` : "";
  const made = element("li", { class: "card" },
    element("div", { class: "head" },
      element("strong", { title: run.run }, run.agent),
      element("span", { class: `pill ${MOODS[run.status] ?? ""}` }, run.status)),
    element("p", {}, `${ago(spent)}${used}${tries}`));
  if (step(run)) made.append(element("p", {}, step(run)));
  if (run.error) made.append(element("p", { class: "bad" }, run.error));
  if (acts && run.ended === null && run.status !== "waiting") {
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

function question(run, acts) {
  const text = element("pre", {}, "…");
  const made = element("li", { class: "card" },
    element("div", { class: "head" }, element("strong", {}, run.agent), element("span", {}, run.conversation)), text);
  answerOf(run.run).then((answer) => { text.textContent = readable(answer.payload); },
    (error) => { text.textContent = error.message; });
  if (!acts) {
    made.append(element("p", {}, "Read-only: unlock actions to answer here."));
    return made;
  }
  const answer = async (value) => {
    try {
      await act({ do: "resume", agent: run.agent, conversation: run.conversation, value });
      toast("Answered; the run goes on.");
    } catch (error) { toast(error.message); }
  };
  const own = element("input", { "aria-label": `Answer to ${run.agent}`, placeholder: "or an answer of your own" });
  made.append(element("form", { submit: (event) => { event.preventDefault(); if (own.value) answer(parsed(own.value)); } },
    element("button", { type: "button", class: "main", click: () => answer(true) }, "Approve"),
    element("button", { type: "button", click: () => answer(false) }, "Decline"),
    own, element("button", {}, "Send")));
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

export function show(runs, now, acts) {
  const newest = runs.toReversed();
  const waiting = newest.filter((run) => run.status === "waiting" && run.conversation !== null);
  const names = new Set(waiting.map((run) => `${run.run} ${acts}`));
  for (const name of asked.keys()) if (!names.has(name)) { asked.get(name).remove(); asked.delete(name); }
  const list = find("approvals").querySelector("ul");
  for (const run of waiting) {
    const name = `${run.run} ${acts}`;
    if (!asked.has(name)) {
      asked.set(name, question(run, acts));
      list.append(asked.get(name));
    }
  }
  find("approvals").hidden = !waiting.length;
  const box = find("runs");
  if (box.contains(document.activeElement)) return;  // nobody loses the button that is in hand
  box.replaceChildren(...newest.slice(0, 60).map((run) => card(run, now, acts)));
  if (!newest.length) box.append(element("li", { class: "card" }, element("p", {}, "No runs of durable agents.")));
}

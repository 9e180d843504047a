// What a run asks a person, and the answer.

import { element, toast } from "./dom.js";
import { act, ask } from "./server.js";

export async function questionOf(run) {
  const { payload } = await ask("answer", { run: run.run });
  const questions = payload?.interrupts;
  if (!Array.isArray(questions)) return JSON.stringify(payload, null, 2);
  return questions.map((each) => typeof each.value === "string" ? each.value : JSON.stringify(each.value ?? each, null, 2)).join("\n\n");
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return text; }
}

export function answers(run) {
  const answer = async (value) => {
    try {
      await act({ do: "answer", agent: run.agent, conversation: run.conversation, value });
      toast("Answered; the run goes on.");
    } catch (error) { toast(error.message); }
  };
  const own = element("input", { "aria-label": `Answer to ${run.agent}`, placeholder: "or an answer of your own" });
  return element("form", { class: "answers", submit: (event) => { event.preventDefault(); if (own.value) answer(parsed(own.value)); } },
    element("button", { type: "button", class: "main", click: () => answer(true) }, "Approve"),
    element("button", { type: "button", click: () => answer(false) }, "Decline"),
    element("span", { class: "own" }, own, element("button", {}, "Send")));
}

// A conversation as messages.

import { element } from "./dom.js";
import { open, view } from "./drawer.js";
import { known } from "./known.js";
import { answers, questionOf } from "./questions.js";

const SIDES = { user: "mine", human: "mine" };

function call(each) {
  return element("details", { class: "call" },
    element("summary", {}, `calls ${each.name}`), element("pre", {}, each.arguments));
}

function message(each) {
  const made = element("article", { class: `said ${SIDES[each.role] ?? "theirs"} ${each.role === "tool" ? "tool" : ""}` });
  const who = each.name && each.name !== each.role ? `${each.role} ${each.name}` : each.role;
  made.append(element("span", { class: "who" }, who));
  if (each.role === "tool" && each.text.length > 160) {
    made.append(element("details", {}, element("summary", {}, `${each.text.slice(0, 120)}…`), element("pre", {}, each.text)));
  } else if (each.text) {
    made.append(element("div", { class: "text", dir: "auto" }, each.text));
  }
  made.append(...each.calls.map(call));
  return made;
}

function owner(name) {
  let found = name;
  while (found && !known.agents.has(found)) found = found.slice(0, Math.max(0, found.lastIndexOf("/")));
  return found;
}

// The run that waits for an answer in this conversation: not every framework keeps the question with the messages.
const waiting = (name) => [...known.runs.values()].find((run) =>
  run.status === "waiting" && run.conversation !== null && `${run.agent.split("/")[0]}/${run.conversation}` === name);

async function read(name, ask) {
  const told = await ask("conversation", { name });
  const run = waiting(name);
  return run && !told.questions.length ? { ...told, questions: [await questionOf(run)] } : told;
}

function draw(name, told, isTold) {
  if (!isTold) return [];
  const agent = owner(name);
  const parts = [];
  if (agent) {
    parts.push(["agent", agent, () => element("p", {}, "A conversation of ",
      element("button", { type: "button", class: "link", click: () => open("agent", agent) }, agent))]);
  }
  if (told.earlier) parts.push(["earlier", told.earlier, () => element("p", { class: "empty" }, `${told.earlier} earlier messages`)]);
  told.messages.forEach((each, i) => parts.push([`message ${told.earlier + i}`, each, () => message(each)]));
  told.questions.forEach((each, i) => parts.push([`question ${i}`, each, () =>
    element("div", { class: "said asks" }, element("span", { class: "who" }, "waits for an answer to"), element("div", { class: "text", dir: "auto" }, each))]));
  const run = waiting(name);
  if (run && known.acts) parts.push(["answers", run.run, () => answers(run)]);
  if (!told.messages.length) parts.push(["none", 0, () => element("p", { class: "empty" }, "No messages are kept.")]);
  return parts;
}

view("conversation", { read, draw });

// Messages that nobody will handle: listed while the list is in view, looked into, sent again, forgotten.

import { ago, clock, element, find, number, toast } from "./dom.js";
import * as drawer from "./drawer.js";
import { known } from "./known.js";
import { act, ask } from "./server.js";
import { sure } from "./sure.js";

const EVERY = 2500;
const box = find("letters");
const list = element("ol", { class: "letters" });
const kept = new Map();
let inView = false;
let timer = 0;

const DONE = { replay: "sent again", drop: "forgotten" };

async function carryOut(what, letter) {
  try {
    await act({ do: what, letter: letter.number });
    if (location.hash.startsWith("#letter=")) drawer.close();
    toast(`The message for ${letter.agent} was ${DONE[what]}.`);
  } catch (error) { toast(error.message); }
  look();
}

const rest = element("li", { class: "rest" });

const buttons = (letter) => element("div", { class: "actions" },
  sure("Send again", () => carryOut("replay", letter), { careful: false, about: `the message for ${letter.agent}` }),
  sure("Forget", () => carryOut("drop", letter), { careful: true, about: `the message for ${letter.agent}` }));

function row(letter) {
  const made = element("li", {},
    element("time", {}, clock(letter.time)),
    element("span", { class: "name" }, element("button", { type: "button", class: "link", click: () => drawer.open("letter", letter.number) }, letter.agent)),
    element("span", {}, letter.reason.replaceAll("_", " ")),
    element("span", { class: "about", dir: "auto" }, [letter.type, letter.sender ? `from ${letter.sender}` : "", letter.conversation ?? ""].filter(Boolean).join(", ")));
  if (known.acts) made.append(buttons(letter));
  return made;
}

async function look() {
  clearTimeout(timer);
  if (!inView || document.hidden) return;
  try {
    draw(await ask("letters"));
  } catch (error) {
    box.replaceChildren(element("p", { class: "empty" }, error.message));
  }
  timer = setTimeout(look, EVERY);
}

function draw({ letters, all }) {
  find("letters-count").textContent = all ? number(all) : "";
  if (!letters.length) return box.replaceChildren(element("p", { class: "empty" }, "None: every message found somebody to handle it."));
  const there = new Set();
  const rows = letters.map((letter) => {
    const key = `${letter.number} ${known.acts}`;
    there.add(key);
    if (!kept.has(key)) kept.set(key, row(letter));
    return kept.get(key);
  });
  if (all > letters.length) {
    const text = `These are the newest ${number(letters.length)} of ${number(all)}; \u201ccivitas dead-letters\u201d lists all.`;
    if (rest.textContent !== text) rest.textContent = text;
    rows.push(rest);
  }
  for (const key of kept.keys()) if (!there.has(key)) kept.delete(key);
  if (rows.length !== list.children.length || rows.some((each, i) => list.children[i] !== each)) list.replaceChildren(...rows);
  if (list.parentNode !== box) box.replaceChildren(list);
}

function facts(letter) {
  const rows = [
    ["why", letter.reason.replaceAll("_", " ")], ["when", `${clock(letter.time)}, ${ago(known.time - letter.time)} ago`],
    ["for", letter.recipient], ["from", letter.sender ?? "outside"], ["type", letter.type],
    letter.conversation !== null && ["conversation", letter.conversation], letter.run !== null && ["run", letter.run],
    ["sent", clock(letter.sent)], ["attempt", number(letter.attempt + 1)],
    letter.replays && ["sent again", `${number(letter.replays)} times before`], ["size", `${number(letter.bytes)} bytes`], ["message", letter.id],
  ].filter(Boolean);
  return element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", { dir: "auto" }, value)]));
}

drawer.view("letter", {
  title: (name, told) => told.agent ? `A message for ${told.agent}` : `Dead letter ${name}`,
  read: (name, asked) => asked("letter", { number: name }),
  draw: (name, told, isTold) => !isTold ? [] : [
    ...(known.acts ? [["actions", 0, () => buttons(told)]] : []),
    ["facts", [told.number, told.replays], () => facts(told)],
    ["payload", told.payload, () => {
      const made = document.createDocumentFragment();
      made.append(element("h3", {}, "Payload"), element("pre", { dir: "auto" }, told.payload));
      return made;
    }],
  ],
});

new IntersectionObserver(([seen]) => { inView = seen.isIntersecting; if (inView) look(); }).observe(box);
document.addEventListener("visibilitychange", look);

export const refresh = look;

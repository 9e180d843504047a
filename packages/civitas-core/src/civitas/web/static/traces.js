// Recent traces as waterfalls. They are recorded only while this is switched on and somebody looks.

import { clock, element, find, number, span } from "./dom.js";
import { ask } from "./server.js";

const EVERY = 1000;
const KINDS = ["send", "process", "chat", "execute_tool", "crash", "gave_up", "restart", "dead_letter"];
const EVENTS = { "exception": "✖", "civitas.crash": "✖", "civitas.gave_up": "✖", "civitas.restart": "↻", "civitas.dead_letter": "✉" };
const box = find("traces");
const record = find("record");
let on = false;
let opened = "";
let timer = 0;
const list = element("ol", { class: "traces" });
const made = new Map();

record.addEventListener("click", () => {
  on = !on;
  record.setAttribute("aria-pressed", String(on));
  record.textContent = on ? "Stop recording" : "Record";
  clearTimeout(timer);
  if (on) look();
});

async function look() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      draw(await ask("traces", { opened }));
    } catch (error) {
      say(error.message);
    }
  }
  if (on) timer = setTimeout(look, EVERY);
}

const say = (text) => box.replaceChildren(element("p", { class: "empty" }, text));

// Only what has changed is made again: what is under the pointer or has the focus stays.
function draw(told) {
  if (!told.traces.length) return say("Recording: a trace is shown as soon as an agent is sent a message.");
  const longest = Math.max(...told.traces.map((each) => each.seconds), 1e-9);
  const there = new Set(told.traces.map((each) => each.id));
  for (const [id, old] of made) if (!there.has(id)) { old.remove(); made.delete(id); }
  told.traces.forEach((each, i) => {
    const spans = each.id === opened ? told.spans : [];
    const key = JSON.stringify([each, each.id === opened, spans]);
    let one = made.get(each.id);
    if (one?.key !== key) {
      const next = Object.assign(trace(each, spans), { key });
      const held = one?.contains(document.activeElement);
      if (one) one.replaceWith(next);
      made.set(each.id, one = next);
      if (held) one.querySelector("button").focus();
    }
    one.querySelector(".bar").style.width = `max(2px, ${(each.seconds / longest) * 100}%)`;
    if (list.children[i] !== one) list.insertBefore(one, list.children[i] ?? null);
  });
  if (list.parentNode !== box) box.replaceChildren(list);
}

function bar(begin, seconds, whole, kind) {
  const made = element("span", { class: `bar ${kind}` });
  made.style.marginInlineStart = `${Math.min(99.5, (begin / whole) * 100)}%`;
  made.style.width = `max(2px, ${Math.min(100, (seconds / whole) * 100)}%)`;
  return made;
}

function trace(each, spans) {
  const isOpen = each.id === opened;
  const made = element("li", { "data-trace": each.id, class: each.failed ? "bad" : "" },
    element("button", { type: "button", "aria-expanded": String(isOpen), click: () => { opened = isOpen ? "" : each.id; look(); } },
      element("time", {}, clock(each.begin)),
      element("span", { class: "name" }, each.name.slice(0, 300), each.conversation ? element("small", {}, ` ${each.conversation}`) : ""),
      element("span", { class: "track", "aria-hidden": "true" }, bar(0, 0, 1, each.failed ? "bad" : "")),
      element("span", { class: "number" }, `${number(each.spans)} span${each.spans === 1 ? "" : "s"}${each.failed ? `, ${number(each.failed)} failed` : ""}`),
      element("span", { class: "number" }, span(each.seconds))));
  if (isOpen && spans.length) made.append(waterfall(spans));
  return made;
}

function waterfall(spans) {
  const whole = Math.max(...spans.map((each) => each.start + each.seconds), 1e-9);
  return element("ol", { class: "waterfall" }, ...spans.map((each) => {
    const word = each.name.split(" ")[0];
    const kind = each.failed ? "bad" : KINDS.includes(word) ? `is-${word}` : "";
    const [put, got] = each.tokens;
    const label = element("span", { class: "name", title: each.name },
      element("span", { class: "word" }, word), each.name.slice(word.length, 300),
      each.attempt ? element("small", {}, ` attempt ${each.attempt + 1}`) : "",
      put || got ? element("small", {}, ` ${number(put)} → ${number(got)} tokens`) : "");
    label.style.paddingInlineStart = `${Math.min(each.depth, 12) * 14}px`;
    const marks = each.events.filter(([name]) => name in EVENTS).map(([name, at]) => {
      const mark = element("span", { class: "mark", title: name }, EVENTS[name]);
      mark.style.insetInlineStart = `${Math.max(0, Math.min(98, (at / whole) * 100))}%`;
      return mark;
    });
    const row = element("li", { class: each.failed ? "bad" : "" }, label,
      element("span", { class: "track", "aria-hidden": "true" }, bar(each.start, each.seconds, whole, kind), ...marks),
      element("span", { class: "number" }, span(each.seconds)));
    if (each.failure) {
      const failure = element("p", { dir: "auto" }, each.failure.slice(0, 1000));
      failure.style.paddingInlineStart = label.style.paddingInlineStart;
      row.append(failure);
    }
    return row;
  }));
}

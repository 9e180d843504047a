// What is looked into: an agent or a conversation, beside the page. The address says which, so that "back" goes back.

import { element, find } from "./dom.js";
import { ask } from "./server.js";

const EVERY = 2000;
const box = find("drawer");
const title = find("drawer-title");
const body = find("drawer-body");
const views = new Map();
let shown = null;
let timer = 0;

// What can be looked into: `read` asks for it, and `draw` says what it is made of: parts, each with its name, what it is
// known by, what makes it, and, if that is not all, what changes it afterwards. `title` names it otherwise than by its name.
export function view(kind, made) {
  views.set(kind, made);
}

export function open(kind, name) {
  location.hash = `${kind}=${encodeURIComponent(name)}`;
}

export const close = () => box.close();

export function refresh() {
  if (shown) draw();
}

function wanted() {
  const [kind, name] = location.hash.slice(1).split("=", 2);
  try {
    return views.has(kind) && name ? { kind, name: decodeURIComponent(name), told: null, error: "" } : null;
  } catch { return null; }
}

export function follow() {
  const next = wanted();
  if (next && shown && next.kind === shown.kind && next.name === shown.name) return;
  clearTimeout(timer);
  shown = next;
  body.replaceChildren();
  if (!shown) return box.close();
  if (!box.open) box.showModal();
  body.scrollTop = 0;
  draw();
  look(shown);
}

async function look(at) {
  try {
    at.told = await views.get(at.kind).read(at.name, ask);
    at.error = "";
  } catch (error) {
    at.error = error.message;
  }
  if (at !== shown) return;
  draw();
  timer = setTimeout(() => look(at), EVERY);
}

// Only what has changed is made again, so that nobody loses what is selected or unfolded.
function draw() {
  const named = views.get(shown.kind).title?.(shown.name, shown.told ?? {}) ?? shown.name;
  if (title.textContent !== named) title.textContent = named;
  const parts = views.get(shown.kind).draw(shown.name, shown.told ?? {}, shown.told !== null);
  if (shown.error) parts.unshift(["error", shown.error, () => element("p", { class: "banner" }, shown.error)]);
  const there = new Map([...body.children].map((each) => [each.dataset.part, each]));
  const made = parts.map(([name, known, make, change]) => {
    const key = JSON.stringify(known);
    let part = there.get(name);
    if (part?.known !== key) {
      part = Object.assign(element("section", { "data-part": name }), { known: key });
      part.append(make());
    }
    change?.(part);
    return part;
  });
  if (made.length !== body.children.length || made.some((part, i) => body.children[i] !== part)) {
    const held = document.activeElement?.closest?.("[data-part]")?.dataset.part;
    body.replaceChildren(...made);
    if (held && document.activeElement === document.body) made.find((part) => part.dataset.part === held)?.querySelector("button")?.focus();
  }
}

box.addEventListener("close", () => { if (shown) history.replaceState(null, "", location.pathname); clearTimeout(timer); shown = null; });
box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
find("drawer-close").addEventListener("click", close);
addEventListener("hashchange", follow);

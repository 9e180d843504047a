// A button; one that is careful does its work at the second click.

import { element } from "./dom.js";

const PATIENCE = 4000;

export function sure(label, work, { careful = true, about = "" } = {}) {
  let asks = false;
  const made = element("button", { type: "button", click: () => {
    if (careful && !asks) return say(true);
    say(false);
    work();
  } });
  function say(asking) {
    asks = asking;
    made.textContent = asks ? `Really ${label.toLowerCase()}?` : label;
    if (about) made.setAttribute("aria-label", `${made.textContent} ${about}`);
    made.classList.toggle("danger", asks);
    if (asks) setTimeout(() => say(false), PATIENCE);
  }
  say(false);
  return made;
}

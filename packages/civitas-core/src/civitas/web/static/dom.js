// Makes elements. Text is always text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function ago(seconds) {
  if (seconds < 0.95) return `${Math.max(0, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// How long something took.
export function span(seconds) {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toPrecision(3).replace(/\.0+$/, "")} ms`;
  return seconds < 60 ? `${seconds.toFixed(2)} s` : ago(seconds);
}

export const number = (value) =>
  new Intl.NumberFormat("en", { notation: value >= 10000 ? "compact" : "standard", maximumFractionDigits: 1 }).format(value);

export const money = (dollars) => dollars > 0 && dollars < 0.0001 ? "< $0.0001" : `$${dollars < 0.1 ? dollars.toPrecision(2) : dollars.toFixed(2)}`;

export const clock = (time) => new Date(time * 1000).toLocaleTimeString("en-GB");

let hiding = 0;

export function toast(text) {
  const shown = find("toast");
  (document.querySelector("dialog[open]") ?? document.body).append(shown);  // above what is looked into
  shown.textContent = text;
  shown.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => shown.classList.remove("shown"), 4000);
}

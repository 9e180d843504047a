// One run, looked into: what is known of it, and its steps with how long each took.

import { ago, clock, element, money, number, span } from "./dom.js";
import * as drawer from "./drawer.js";
import { known } from "./known.js";

const KINDS = { model: "is-chat", tool: "is-execute_tool", node: "is-process" };

const rows = (facts) => element("dl", { class: "facts" }, ...facts.filter(Boolean)
  .flatMap(([name, value]) => [element("dt", {}, name), element("dd", { dir: "auto" }, value)]));

function facts(run, now) {
  const used = run.usage;
  return rows([
    ["run", run.run], ["agent", run.agent], ["status", run.status], run.conversation !== null && ["conversation", run.conversation],
    ["accepted", clock(run.since)], run.begun !== null && ["began", clock(run.begun)],
    ["took", ago((run.ended ?? now) - (run.begun ?? run.since))], run.deliveries > 1 && ["attempts", number(run.deliveries)],
    used && ["models", `${number(used.requests)} calls, ${number(used.input_tokens)} tokens read, ${number(used.output_tokens)} written`],
    run.cost !== null && ["cost", money(run.cost)], run.error && ["error", run.error],
  ]);
}

// Each step as a bar on one scale of time.
function steps(run, now) {
  const first = run.steps[0].since;
  const last = Math.max(...run.steps.map((step) => step.since + (step.seconds ?? now - step.since)));
  const part = (seconds) => `${(100 * Math.max(0, seconds) / Math.max(last - first, 1e-3)).toFixed(2)}%`;
  const items = run.steps.map((step) => {
    const took = step.seconds ?? now - step.since;
    const bar = element("i", { class: `bar ${step.error ? "bad" : KINDS[step.kind] ?? ""}` });
    bar.style.marginLeft = `min(${part(step.since - first)}, calc(100% - 3px))`;
    bar.style.width = `max(3px, ${part(took)})`;
    const size = step.bytes === null ? "" : `, ${number(step.bytes)} byte${step.bytes === 1 ? "" : "s"}`;
    const end = step.error || (step.recorded ? "recorded before" : step.seconds === null ? "goes on" : "");
    return element("li", {},
      element("span", { class: "name", dir: "auto" }, step.name), element("span", { class: "track" }, bar),
      element("span", { class: "number" }, span(took)), element("small", {}, [step.kind + size, end].filter(Boolean).join(", ")));
  });
  const made = document.createDocumentFragment();
  made.append(element("h3", {}, "Steps"), element("ol", { class: "waterfall steps" }, ...items));
  return made;
}

drawer.view("run", {
  title: (name, run) => (run.agent ? `A run of ${run.agent}` : `Run ${name}`),
  read: (name, asked) => asked("run", { name }),
  draw: (name, run, isTold) => !isTold ? [] : [
    ["facts", [run, run.ended === null && known.time], () => facts(run, known.time)],
    ...(run.steps.length ? [["steps", [run.steps, run.ended === null && known.time], () => steps(run, known.time)]] : []),
  ],
});

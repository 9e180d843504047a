// What is said of an agent, in the tree and where one is looked into.

import { ago } from "./dom.js";

export const isAgent = (agent) => agent.kind === "agent";

export function doing(agent, now) {
  if (agent.paused) return "paused";
  if (agent.due) return `starts again in ${ago(agent.due - now)}`;
  if (agent.status !== "running") return agent.last_error ? `${agent.status}: ${agent.last_error}` : agent.status;
  const hand = agent.handling;
  if (hand) {
    const what = hand.step || hand.type;
    const asks = hand.asks.length ? `, asks ${hand.asks.join(", ")}` : "";
    return `${what} for ${ago(now - hand.since)}${asks}`;
  }
  if (agent.next) return `due in ${ago(agent.next - now)}`;
  return isAgent(agent) ? "idle" : agent.kind.replaceAll("_", " ");
}

export function mood(agent) {
  if (agent.status === "terminated") return "bad";
  if (agent.paused || agent.due || agent.status !== "running") return "warn";
  return agent.handling ? "busy" : "";
}

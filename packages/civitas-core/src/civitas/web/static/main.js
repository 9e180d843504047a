// The page: keeps what the server told, and lets each part show its own.

import "./agent.js";
import "./conversation.js";
import { find, toast } from "./dom.js";
import * as drawer from "./drawer.js";
import * as figures from "./figures.js";
import { known } from "./known.js";
import * as letters from "./letters.js";
import "./run.js";
import * as runs from "./runs.js";
import * as server from "./server.js";
import * as timeline from "./timeline.js";
import "./traces.js";
import * as tree from "./tree.js";

let possible = false;
let heardOnce = false;

function state(text, mood) {
  const pill = find("state");
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = `pill ${mood}`;
}

function heard(event) {
  find("down").hidden = !event.down;
  if (event.down) {
    find("down").textContent = event.down;
    return state("not running", "bad");
  }
  let changed = event.whole || event.gone.length > 0;
  if (event.whole) {
    known.agents.clear();
    known.runs.clear();
    known.events = [];
  }
  for (const agent of event.agents) {
    changed ||= known.agents.get(agent.name)?.parent !== agent.parent;
    known.agents.set(agent.name, agent);
  }
  for (const name of event.gone) known.agents.delete(name);
  for (const run of event.runs) known.runs.set(run.run, run);
  for (const name of event.over) known.runs.delete(name);
  known.events = timeline.within(known.events.concat(event.events), event.time);
  known.time = event.time;
  document.title = `${event.system} · Civitas`;
  if (find("system").textContent !== event.system) find("system").textContent = event.system;
  state("live", "good");
  tree.show(known.agents, event.time, changed, (name) => drawer.open("agent", name));
  timeline.show(known.events, event.time);
  figures.show(event.system, known.agents, event.nodes, event.time, (name) => drawer.open("agent", name));
  figures.showNodes(event.nodes);
  runs.show();
  drawer.refresh();
  if (!heardOnce) {
    heardOnce = true;
    drawer.follow();
  }
}

function lost(error) {
  state(error.status === 401 ? "locked" : "reconnecting", "bad");
  if (error.status === 401) find("key").hidden = false;
}

async function unlocked() {
  try {
    await server.act({ do: "nothing" });
  } catch (error) {
    known.acts = error.status === 400;  // let in, and did nothing
    if (error.status === 401 && server.token.get()) toast("That is not the token.");
  }
  find("key").hidden = known.acts || !possible;
  runs.show();
  letters.refresh();
  drawer.refresh();
}

find("key").addEventListener("click", () => find("unlock").showModal());
find("unlock").addEventListener("close", () => {
  if (find("unlock").returnValue === "ok") {
    server.token.set(find("token").value);
    unlocked();
  }
  find("token").value = "";
});

server.watch(heard, lost);
try {
  possible = (await server.about()).acts;
} catch { possible = true; }
find("key").hidden = !possible;
if (possible && server.token.get()) unlocked();

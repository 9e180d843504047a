// The page: keeps what the server told, and lets each part show its own.

import { find, toast } from "./dom.js";
import * as figures from "./figures.js";
import * as runs from "./runs.js";
import * as server from "./server.js";
import * as timeline from "./timeline.js";
import * as tree from "./tree.js";

const agents = new Map();
let acts = false;
let possible = false;
let last = null;

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
  if (event.whole) agents.clear();
  for (const agent of event.agents) {
    changed ||= agents.get(agent.name)?.parent !== agent.parent;
    agents.set(agent.name, agent);
  }
  for (const name of event.gone) agents.delete(name);
  last = event;
  document.title = `${event.system} · Civitas`;
  find("system").textContent = event.system;
  state("live", "good");
  tree.show(agents, event.time, changed);
  timeline.show(event.events, event.time);
  figures.show(agents, event.nodes);
  figures.showNodes(event.nodes);
  runs.show(event.runs, event.time, acts);
}

function lost(error) {
  state(error.status === 401 ? "locked" : "reconnecting", "bad");
  if (error.status === 401) find("key").hidden = false;
}

async function unlocked() {
  try {
    await server.act({ do: "nothing" });
  } catch (error) {
    acts = error.status === 400;  // let in, and did nothing
    if (error.status === 401 && server.token.get()) toast("That is not the token.");
  }
  find("key").hidden = acts || !possible;
  if (last) runs.show(last.runs, last.time, acts);
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

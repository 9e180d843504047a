#!/bin/bash
# LangGraph: the value of an UntrackedValue channel, which is in no checkpoint of its own graph, is in a checkpoint of a
# subgraph that runs as a node: as part of the input that the subgraph was given. What cannot be serialized, which such
# channels are for, can therefore not be handed past a subgraph.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check langgraph==1.2.24 langgraph-checkpoint==4.3.2

cat > look.py <<'PYTHON'
from importlib.metadata import version
from typing import Annotated, TypedDict

from langgraph.channels import UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph


class Inner(TypedDict, total=False):
    text: str


class Outer(TypedDict, total=False):
    text: str
    handle: Annotated[str, UntrackedValue]


inner = StateGraph(Inner)
inner.add_node("say", lambda state: {"text": "said"})
inner.add_edge(START, "say")

outer = StateGraph(Outer)
outer.add_node("open", lambda state: {"handle": "handle-7"})
outer.add_node("inner", inner.compile())
outer.add_edge(START, "open")
outer.add_edge("open", "inner")

saver = InMemorySaver()
graph = outer.compile(checkpointer=saver)
graph.invoke({"text": "x"}, {"configurable": {"thread_id": "t"}})

kept = {}
for each in saver.list(None):
    of = "subgraph" if each.config["configurable"]["checkpoint_ns"] else "graph"
    found = [name for name, value in each.checkpoint["channel_values"].items() if "handle-7" in str(value)]
    kept.setdefault(of, []).extend(found)
print("langgraph", version("langgraph"))
print("expected: the value of an UntrackedValue channel is in no checkpoint")
print("seen in these channels:", kept)
raise SystemExit(0 if kept == {"graph": [], "subgraph": ["__start__"]} else 1)
PYTHON
venv/bin/python look.py

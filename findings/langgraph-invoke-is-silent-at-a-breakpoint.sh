#!/bin/bash
# LangGraph's invoke returns the state of a run that stopped at a breakpoint as that of one that is over: it tells of
# an interrupt() under __interrupt__, and of interrupt_before and interrupt_after nowhere.
# Exits 0 as long as it does so, 1 when the result tells of the breakpoint.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check langgraph==1.2.24
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from typing import TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph


class State(TypedDict, total=False):
    steps: str


builder = StateGraph(State)
builder.add_node("plan", lambda state: {"steps": "planned"})
builder.add_node("act", lambda state: {"steps": state["steps"] + " and done"})
builder.add_edge(START, "plan")
builder.add_edge("plan", "act")
graph = builder.compile(checkpointer=InMemorySaver(), interrupt_before=["act"])
thread = {"configurable": {"thread_id": "1"}}

result = graph.invoke({"steps": ""}, thread)
as_object = graph.invoke({"steps": ""}, thread, version="v2")

print("langgraph", version("langgraph"))
print("expected: the result says that the run stopped before 'act', as it does for an interrupt()")
print("seen:    ", result, as_object.interrupts, "while the nodes left to do are", graph.get_state(thread).next)
silent = "__interrupt__" not in result and not as_object.interrupts
sys.exit(0 if silent and graph.get_state(thread).next == ("act",) else 1)
PYTHON

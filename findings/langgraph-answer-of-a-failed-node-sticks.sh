#!/bin/bash
# LangGraph keeps the answer that a node failed on: the next answer to the same question is never used.
# Exits 0 as long as it does so, 1 when the next answer is the one used.
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
from langgraph.types import Command, interrupt


class State(TypedDict, total=False):
    told: str


def decide(state: State) -> State:
    answer = interrupt("Remove everything? yes or no")
    if answer not in ("yes", "no"):
        raise ValueError(f"{answer!r} is neither yes nor no")
    return {"told": answer}


builder = StateGraph(State)
builder.add_node("decide", decide)
builder.add_edge(START, "decide")
graph = builder.compile(checkpointer=InMemorySaver())
thread = {"configurable": {"thread_id": "1"}}
graph.invoke({"told": ""}, thread)
(question,) = graph.get_state(thread).interrupts

seen = []
for answer in ("ye", "no"):
    try:
        seen.append(graph.invoke(Command(resume={question.id: answer}), thread)["told"])
    except ValueError as error:
        seen.append(str(error))

print("langgraph", version("langgraph"))
print("expected: 'ye' is refused by the node, and then 'no' is the answer")
print("seen:    ", seen)
sys.exit(0 if seen == ["'ye' is neither yes nor no"] * 2 else 1)
PYTHON

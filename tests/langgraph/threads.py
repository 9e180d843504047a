"""A chat graph, and conversations with it."""

from __future__ import annotations

import random
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from civitas import Runtime, Supervisor
from civitas.state import InMemoryStateStore
from civitas_langgraph import LangGraphAgent

__all__ = ["HALF", "THREAD", "chat", "sizes", "talk", "text"]

HALF = 2000
THREAD: Any = {"configurable": {"thread_id": "t"}}


def text(number: int, size: int = HALF) -> str:
    return f"{number} " + "".join(random.Random(number).choices("abcdefgh ", k=size))


def chat(answer: Any = None, schema: Any = MessagesState, **compiled: Any) -> Any:
    def reply(state: Any) -> Any:
        return {"messages": [AIMessage(text(len(state["messages"])))]}

    builder = StateGraph(schema)
    builder.add_node("answer", answer or reply)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(**compiled)


async def sizes(store: InMemoryStateStore) -> int:
    """Bytes that are kept, beside the answers of runs."""
    kept = store._values.items()
    return sum(len(raw) for key, (raw, _) in kept if not key.startswith("civitas:runs:"))


async def talk(store: Any, graph: Any, texts: list[str], **keywords: Any) -> Any:
    async with Runtime(
        Supervisor("root", [LangGraphAgent("g", graph=graph, **keywords)]), state_store=store
    ) as runtime:
        for each in texts:
            reply = await runtime.ask("g", {"input": each}, conversation="c")
    return reply.payload

"""A chat graph of LangGraph, and one that loops: threads in the StateStore, and in LangGraph's `AsyncSqliteSaver`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from benchmarks.talks.apart import apart
from benchmarks.talks.parts import Kinds, Talk, Talking, civitas, civitas_apart, text
from civitas import wrap

__all__ = ["CONTESTANTS", "make_chat"]

_PART = 5000


async def _answer(state: MessagesState) -> Any:
    return {"messages": [AIMessage(text(len(state["messages"])))]}


def _chat(**compiled: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("answer", _answer)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(**compiled)


def make_chat() -> Any:
    """The chat graph, for a topology."""
    return _chat()


async def _work(state: MessagesState) -> Any:
    return {"messages": [AIMessage(text(len(state["messages"]), _PART))]}


def _more(state: MessagesState) -> str:
    return "work" if len(state["messages"]) <= int(str(state["messages"][0].content)) else END


def _loop(**compiled: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("work", _work)
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", _more, ["work", END])
    return builder.compile(**compiled)


def _langgraphs_own(build: Any) -> Talk:
    @asynccontextmanager
    async def talk(folder: Path, at_once: int) -> AsyncIterator[Talking]:
        async with AsyncSqliteSaver.from_conn_string(str(folder / "threads.db")) as saver:
            graph = build(checkpointer=saver)

            async def turn(conversation: str, said: str) -> None:
                await put(conversation, [HumanMessage(said)])

            async def fill(conversation: str, turns: int) -> None:
                # A turn reads and writes the newest checkpoint, which has all messages in it.
                kinds = HumanMessage, AIMessage
                await put(conversation, [kinds[n % 2](text(n)) for n in range(2 * turns - 1)])

            async def put(conversation: str, messages: list[Any]) -> None:
                config = {"configurable": {"thread_id": conversation}, "recursion_limit": 1000}
                await graph.ainvoke({"messages": messages}, config, durability="sync")

            yield Talking(turn, fill)

    return talk


def _ours(pool: bool) -> Any:
    options: Any = {"per_conversation": pool}
    return wrap(_chat(), name="a", **options)


def _ours_durable(pool: bool) -> Any:
    return wrap(_loop(), name="a", durable=True, config={"recursion_limit": 1000})


_ONE = _langgraphs_own(_chat)
_WRAP = "benchmarks.talks.graphs:make_chat"
CONTESTANTS: dict[str, Kinds] = {
    "civitas": {"turns": civitas(_ours), "steps": civitas(_ours_durable), "spread": civitas(_ours)},
    "civitas, 2 processes": {"spread": civitas_apart(2, wrap=_WRAP)},
    "civitas, 4 processes": {"spread": civitas_apart(4, wrap=_WRAP)},
    "AsyncSqliteSaver": {"turns": _ONE, "steps": _langgraphs_own(_loop), "spread": _ONE},
    "AsyncSqliteSaver, 2 processes": {"spread": apart("langgraph", "AsyncSqliteSaver", 2)},
}

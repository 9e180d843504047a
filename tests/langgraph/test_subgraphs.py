"""Graphs that nodes and tools call themselves."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from civitas.errors import HandlerFailed
from civitas.state import InMemoryStateStore
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.core.frameworks.support import running


class Box(TypedDict, total=False):
    got: Annotated[list[Any], operator.add]


def inner(state: Box) -> Any:
    return {"got": [interrupt("sure?")] if "ask" in state["got"] else ["inner"]}


def graph(node: Any, **compiled: Any) -> Any:
    builder = StateGraph(Box)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile(**compiled)


def calling(checkpointer: Any, blocks: bool) -> Any:
    below = graph(inner, checkpointer=checkpointer)

    def call(state: Box) -> Any:
        return {"got": below.invoke({"got": state["got"][-1:]})["got"]}

    async def call_async(state: Box) -> Any:
        return {"got": (await below.ainvoke({"got": state["got"][-1:]}))["got"]}

    return call if blocks else call_async


async def langgraphs_own(node: Any, texts: list[str]) -> list[Any]:
    above, config = graph(node, checkpointer=InMemorySaver()), {"configurable": {"thread_id": "t"}}
    answers = []
    for text in texts:
        result = await above.ainvoke({"got": [text]}, config)
        if "__interrupt__" in result:
            result = await above.ainvoke(Command(resume="yes"), config)
        answers.append(result["got"])
    return answers


@pytest.mark.promise(id="SEM-1014")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
@pytest.mark.parametrize("blocks", [True, False], ids=["invoke", "ainvoke"])
@pytest.mark.parametrize("checkpointer", [None, True, False])
async def test_a_node_calls_another_graph_as_it_does_under_langgraph(checkpointer, blocks, durable):
    node = calling(checkpointer, blocks)
    texts = ["one", "two"] if checkpointer is False else ["one", "ask", "two"]
    agent, answers = LangGraphAgent("g", graph=graph(node), durable=durable), []
    async with running(agent) as runtime:
        for text in texts:
            reply = await runtime.ask("g", {"got": [text]}, conversation="c")
            if reply.type == "interrupt":
                reply = await runtime.ask("g", {"value": "yes"}, "resume", conversation="c")
            answers.append(reply.payload["got"])
    assert answers == await langgraphs_own(node, texts)


async def test_so_it_does_under_a_saver_of_the_users_own():
    own = StateStoreSaver(InMemoryStateStore(), "t:")
    agent = LangGraphAgent("g", graph=graph(calling(True, blocks=True), checkpointer=own))
    async with running(agent) as runtime:
        await runtime.ask("g", {"got": ["one"]}, conversation="c")
        reply = await runtime.ask("g", {"got": ["two"]}, conversation="c")
    assert reply.payload["got"][-4:] == ["one", "inner", "two", "inner"]


async def test_a_coroutine_that_blocks_on_another_graph_is_told_so_at_once():
    below = graph(inner)

    async def call(state: Box) -> Any:
        return below.invoke({"got": []})

    async with running(LangGraphAgent("g", graph=graph(call))) as runtime:
        with pytest.raises(HandlerFailed, match=r"would block the event loop .* graph\.ainvoke"):
            await runtime.ask("g", {"got": ["one"]}, conversation="c")


@pytest.mark.promise(id="SEM-973")
async def test_a_thread_that_goes_on_after_its_run_was_cancelled_writes_into_no_other_run():
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def inner(state: Box) -> Any:
        if state["got"][-1] == "hang":
            began.set()
            go_on.wait(10)
        return {"got": ["inner"]}

    below = graph(inner, checkpointer=True)

    def call(state: Box) -> Any:
        if state["got"][-1] != "hang":
            go_on.set()
            ended.wait(10)
            return {"got": below.invoke({"got": state["got"][-1:]})["got"]}
        try:
            return below.invoke({"got": state["got"][-1:]})
        finally:
            ended.set()

    async with running(LangGraphAgent("g", graph=graph(call))) as runtime:
        asking = asyncio.create_task(runtime.ask("g", {"got": ["hang"]}, conversation="a"))
        await asyncio.to_thread(began.wait, 10)
        asking.cancel()
        reply = await runtime.ask("g", {"got": ["two"]}, conversation="b")
    assert ended.is_set()
    assert reply.payload["got"] == ["two", "two", "inner"]

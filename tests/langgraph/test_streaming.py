"""Streams of graphs, beyond what the suite shows."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from civitas.testing import SuiteModel, ToolCall
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running
from tests.langgraph.models import PlayedModel, played


def chat(node: Any) -> StateGraph[Any, Any, Any, Any]:
    graph = StateGraph(MessagesState)
    graph.add_node("think", node)
    graph.add_edge(START, "think")
    return graph


async def told(agent: LangGraphAgent) -> list[tuple[str, Any]]:
    async with running(agent) as runtime:
        return [(e.type, e.payload) async for e in runtime.stream("g", {"input": "x"})][:-1]


async def test_a_model_called_in_a_node_that_is_no_coroutine_streams_too():
    model = played(SuiteModel("one two"))

    def think(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    chunks = await told(LangGraphAgent("g", graph=chat(think).compile()))
    assert chunks == [("step", {"name": "think"}), ("token", {"text": "one two"})]


async def test_a_model_that_does_not_stream_is_told_as_one_token():
    class Whole(PlayedModel):
        _astream = None  # type: ignore[assignment]

        def _should_stream(self, **kwargs: Any) -> bool:
            return False

    model = Whole(played=SuiteModel("one two"))

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    chunks = await told(LangGraphAgent("g", graph=chat(think).compile()))
    assert chunks == [("step", {"name": "think"}), ("token", {"text": "one two"})]


async def test_a_model_that_is_marked_nostream_is_not_told():
    model = played(SuiteModel("secret")).with_config(tags=["nostream"])

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    chunks = await told(LangGraphAgent("g", graph=chat(think).compile()))
    assert chunks == [("step", {"name": "think"})]


async def test_what_a_subgraph_does_is_told():
    model = played(SuiteModel("hello"))

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    outer = StateGraph(MessagesState)
    outer.add_node("inner", chat(think).compile())
    outer.add_edge(START, "inner")
    chunks = await told(LangGraphAgent("g", graph=outer.compile()))
    assert chunks == [
        ("step", {"name": "inner"}),
        ("step", {"name": "think"}),
        ("token", {"text": "hello"}),
    ]


async def test_a_tool_of_any_kind_is_told_with_its_arguments_and_its_result():
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    model = played(SuiteModel(ToolCall("add", {"a": 1, "b": 2}), "three"))

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = chat(think)
    graph.add_node("tools", ToolNode([add]))
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    chunks = await told(LangGraphAgent("g", graph=graph.compile()))
    call = {"name": "add", "arguments": {"a": 1, "b": 2}}
    assert chunks == [
        ("step", {"name": "think"}),
        ("step", {"name": "tools"}),
        ("tool", call),
        ("tool", {**call, "result": "3"}),
        ("step", {"name": "think"}),
        ("token", {"text": "three"}),
    ]


async def test_a_slow_reader_slows_the_model():
    model, said = played(SuiteModel(" ".join(map(str, range(1000))))), [0]

    class Counting(PlayedModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            async for each in super()._astream(*args, **kwargs):
                said[0] += 1
                yield each

    counting = Counting(played=model.played)

    async def think(state: MessagesState) -> Any:
        return {"messages": [await counting.ainvoke(state["messages"])]}

    async with running(LangGraphAgent("g", graph=chat(think).compile())) as runtime:
        stream = runtime.stream("g", {"input": "x"})
        async with contextlib.aclosing(stream):
            await anext(stream)
            while said[0] < 100:
                await asyncio.sleep(0)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert said[0] < 110

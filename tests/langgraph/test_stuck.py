"""Graphs that make no progress for longer than their agent allows."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel, ToolCall
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running
from tests.langgraph.models import played

LIMIT = 0.2


class Slow(BaseChatModel):
    """Takes three times the limit for an answer, and says something now and then where it streams."""

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        await asyncio.sleep(LIMIT * 3)
        return ChatResult(generations=[ChatGeneration(message=AIMessage("late"))])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for number in range(6):
            await asyncio.sleep(LIMIT / 4)
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{number} "))


def graph_with(model: Any, *tools: Any) -> Any:
    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    if tools:
        graph.add_node("tools", ToolNode(list(tools)))
        graph.add_conditional_edges("think", tools_condition)
        graph.add_edge("tools", "think")
    else:
        graph.add_edge("think", END)
    return graph.compile()


@pytest.mark.promise(id="SEM-1714")
async def test_a_model_that_streams_slowly_lives_though_nobody_reads() -> None:
    agent = LangGraphAgent("g", graph=graph_with(Slow()), progress_timeout=LIMIT)
    async with running(agent) as runtime:
        reply = await runtime.ask("g", {"input": "hi"})
    assert reply.payload["messages"][-1]["content"].startswith("0 1 2 ")


@pytest.mark.promise(id="SEM-1714")
async def test_a_node_that_writes_to_the_stream_lives_though_nobody_reads() -> None:
    async def node(state: MessagesState) -> Any:
        for number in range(6):
            await asyncio.sleep(LIMIT / 4)
            get_stream_writer()({"page": number})
        return {}

    graph = StateGraph(MessagesState)
    graph.add_node("crawl", node)
    graph.add_edge(START, "crawl")
    agent = LangGraphAgent("g", graph=graph.compile(), progress_timeout=LIMIT)
    async with running(agent) as runtime:
        assert (await runtime.ask("g", {"input": "hi"})).type == "reply"


@pytest.mark.promise(id="SEM-1713")
async def test_a_tool_that_hangs_is_cancelled_and_named() -> None:
    cancelled = asyncio.Event()

    @tool
    async def search(q: str) -> str:
        """Search."""
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    model = SuiteModel(ToolCall("search", {"q": "x"}), "done")
    agent = LangGraphAgent("g", graph=graph_with(played(model), search), progress_timeout=LIMIT)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed, match="last, the tool 'search' was called"):
            await runtime.ask("g", {"input": "hi"})
        await asyncio.wait_for(cancelled.wait(), 5)


@pytest.mark.promise(id="SEM-1713")
async def test_a_node_that_blocks_its_thread_is_left_behind_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    go_on = threading.Event()
    ended = threading.Event()

    def block(state: MessagesState) -> Any:
        go_on.wait(10)
        ended.set()
        return {}

    graph = StateGraph(MessagesState)
    graph.add_node("block", block)
    graph.add_edge(START, "block")
    agent = LangGraphAgent("g", graph=graph.compile(), progress_timeout=LIMIT)
    async with running(agent) as runtime:
        with caplog.at_level(logging.WARNING, "civitas"), pytest.raises(HandlerFailed):
            await runtime.ask("g", {"input": "hi"})
        go_on.set()
        await asyncio.to_thread(ended.wait, 10)
    assert "blocking calls of it go on in threads (1)" in caplog.text

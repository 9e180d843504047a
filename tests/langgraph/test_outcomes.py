"""Every exception that can be met has a place in the table."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from pydantic import BaseModel

from civitas.errors import HandlerFailed
from civitas_langgraph import LangGraphAgent
from civitas_langgraph._outcomes import OUTCOMES
from tests.core.frameworks.exceptions import public, shown, unplaced
from tests.core.frameworks.support import restarts, running


@tool
def look() -> str:
    """Look."""
    return "found"


class Plan(BaseModel):
    steps: list[str]


class Scripted(GenericFakeChatModel):
    """Says its messages, with tools and without."""

    def bind_tools(self, tools: Any, **keywords: Any) -> Any:
        return self


@pytest.mark.promise(id="SEM-1085")
def test_each_exception_that_the_framework_defines_today_is_placed() -> None:
    assert (
        unplaced(
            OUTCOMES,
            "langgraph",
            "langchain_core",
            "langchain_openai",
            "langchain",
            "deepagents",
        )
        == []
    )


def test_the_page_has_the_table() -> None:
    assert shown("LangGraph, LangChain") == public(OUTCOMES)


class Box(TypedDict):
    n: int


class Late:
    """A node that takes longer than it may, the first time."""

    def __init__(self, *, times: int = 1) -> None:
        self.left = times
        self.ran = 0

    async def __call__(self, state: Box) -> Box:
        self.ran += 1
        if self.ran <= self.left:
            await asyncio.Event().wait()
        return {"n": state["n"] + 1}


def timed(node: Late, how: str) -> Any:
    """The graph of `node`, which a timeout of its own or of the step ends."""
    builder = StateGraph(Box)
    builder.add_node("late", node, timeout=0.02 if how == "node" else None)
    graph = builder.add_edge(START, "late").compile()
    if how == "step":
        graph.step_timeout = 0.02
    return graph


@pytest.mark.parametrize(("how", "error"), [("node", "NodeTimeoutError"), ("step", "TimeoutError")])
async def test_a_timeout_of_a_node_or_a_step_is_told_and_tried_again_where_the_run_is_durable(
    how: str, error: str
) -> None:
    lost, again = Late(), Late()
    agents = [
        LangGraphAgent("a", graph=timed(lost, how)),
        LangGraphAgent("b", graph=timed(again, how), durable=True),
    ]
    async with running(*agents) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("a", {"n": 1})
        assert failed.value.error_type == error
        assert (await runtime.ask("b", {"n": 1})).payload == {"n": 2}
        assert [child["restarts"] for child in runtime.tree()["children"]] == [0, 0]
    assert lost.ran <= 1 < again.ran  # a busy machine may end a step before its node begins


async def test_a_checkpointer_whose_database_is_locked_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "threads.db")
    ran = []

    async def lock(state: Box) -> Box:
        ran.append(1)
        if len(ran) == 1:
            other.execute("BEGIN EXCLUSIVE")
            asyncio.get_running_loop().call_later(0.1, other.rollback)
        return {"n": state["n"] + 1}

    builder = StateGraph(Box).add_node(lock).add_edge(START, "lock")
    async with aiosqlite.connect(tmp_path / "threads.db", timeout=0) as database:
        saver = AsyncSqliteSaver(database)
        await saver.setup()
        agent = LangGraphAgent("g", graph=builder.compile(saver), durable=True)
        async with running(agent) as runtime:
            assert (await runtime.ask("g", {"n": 1})).payload == {"n": 2}
            assert restarts(runtime) == 0
    other.close()
    assert len(ran) == 2


@pytest.mark.parametrize("limit", ["model", "tool", "structured"])
async def test_the_limits_of_langchains_agents_are_answers(limit: str) -> None:
    middleware = pytest.importorskip("langchain.agents.middleware")
    output = pytest.importorskip("langchain.agents.structured_output")
    agents = pytest.importorskip("langchain.agents")
    keywords: dict[str, Any] = {"tools": [look]}
    called = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
    if limit == "model":
        count = middleware.ModelCallLimitMiddleware(run_limit=1, exit_behavior="error")
        keywords["middleware"] = [count]
    elif limit == "tool":
        count = middleware.ToolCallLimitMiddleware(run_limit=1, exit_behavior="error")
        keywords["middleware"] = [count]
    else:
        keywords["response_format"] = output.ToolStrategy(Plan, handle_errors=False)
        called = AIMessage("", tool_calls=[{"name": "Plan", "args": {"steps": 1}, "id": "1"}])
    model = Scripted(messages=itertools.repeat(called))
    graph = agents.create_agent(model, **keywords)
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"input": "x"})
        assert failed.value.error_type in {
            "ModelCallLimitExceededError",
            "ToolCallLimitExceededError",
            "StructuredOutputValidationError",
        }
        assert restarts(runtime) == 0

"""What ends a run of a graph early, and whom that concerns."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any, TypedDict

import pytest
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel

from civitas.errors import AgentTerminated, AskTimeout, ConfigurationError, HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess
from civitas_langgraph import LangGraphAgent, agent_tool
from tests.core.frameworks.support import restarts, running


class Box(TypedDict):
    n: int


def line(*nodes: Any) -> Any:
    builder = StateGraph(Box)
    before: str = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder.compile()


async def test_a_recursion_limit_is_told_to_the_asker_and_the_agent_lives():
    async def again(state: Box) -> Any:
        return {"n": state["n"] + 1}

    builder = StateGraph(Box)
    builder.add_node("again", again)
    builder.add_edge(START, "again")
    builder.add_edge("again", "again")
    agent = LangGraphAgent("g", graph=builder.compile(), config={"recursion_limit": 5})
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"n": 0})
        assert failed.value.error_type == "GraphRecursionError"
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-1087")
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_node_that_exits_ends_its_agent_and_nobody_else(in_thread: bool):
    def leave(state: Box) -> Any:
        sys.exit(3)

    async def leave_async(state: Box) -> Any:
        sys.exit(3)

    graph = line(leave if in_thread else leave_async)
    async with running(LangGraphAgent("g", graph=graph)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"n": 0})
        assert failed.value.error_type == "SystemExit"


async def test_a_run_whose_asker_is_gone_is_cancelled_within_200_milliseconds():
    began, cancelled = asyncio.Event(), asyncio.Event()
    moments: list[float] = []

    async def hang(state: Box) -> Any:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            moments.append(time.monotonic())
            cancelled.set()

    async with running(LangGraphAgent("g", graph=line(hang))) as runtime:
        asking = asyncio.create_task(runtime.ask("g", {"n": 0}, timeout=None))
        await began.wait()
        moments.append(time.monotonic())
        asking.cancel()
        await cancelled.wait()
    assert moments[1] - moments[0] < 0.2


async def test_a_node_that_blocks_a_thread_is_left_behind_and_that_is_logged(caplog):
    began, go_on, later = threading.Event(), threading.Event(), []

    def block(state: Box) -> Any:
        began.set()
        go_on.wait(10)
        return {"n": 1}

    def never(state: Box) -> Any:
        later.append(state)

    async with running(LangGraphAgent("g", graph=line(block, never))) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("g", {"n": 0}, timeout=0.2)
        while "blocking calls of it go on in threads (1)" not in caplog.text:
            await asyncio.sleep(0)
        go_on.set()
    assert began.is_set()
    assert later == []


async def test_a_stop_ends_the_graph_after_its_step():
    began, go_on, ran = asyncio.Event(), asyncio.Event(), []

    async def first(state: Box) -> Any:
        began.set()
        await go_on.wait()
        ran.append("first")
        return {"n": 1}

    async def second(state: Box) -> Any:
        ran.append("second")

    async with running(LangGraphAgent("g", graph=line(first, second))) as runtime:
        asking = asyncio.create_task(runtime.ask("g", {"n": 0}))
        await began.wait()
        stopping = asyncio.create_task(runtime.terminate_child("root", "g"))
        await asyncio.sleep(0)
        go_on.set()
        await stopping
        with pytest.raises(AgentTerminated):
            await asking
    assert ran == ["first"]


class Echo(AgentProcess):
    async def handle(self, message: Message) -> Message:
        return self.reply(message.payload)


class Question(BaseModel):
    topic: str
    depth: int = 1


def calling(tool: Any, arguments: Any, *, sync: bool) -> Any:
    """A graph that calls the tool by itself."""

    async def call(state: MessagesState) -> Any:
        return {"messages": [("user", await tool.ainvoke(arguments))]}

    def call_sync(state: MessagesState) -> Any:
        return {"messages": [("user", tool.invoke(arguments))]}

    builder = StateGraph(MessagesState)
    builder.add_node("call", call_sync if sync else call)
    builder.add_edge(START, "call")
    return builder.compile()


@pytest.mark.parametrize("sync", [False, True])
async def test_a_tool_that_is_an_agent_has_typed_parameters_and_works_in_threads(sync):
    ask = agent_tool("echo", description="echoes", parameters=Question)
    assert ask.name == "echo"
    assert set(ask.args) == {"topic", "depth"}
    agent = LangGraphAgent("g", graph=calling(ask, {"topic": "t"}, sync=sync))
    async with running(agent, Echo("echo")) as runtime:
        reply = await runtime.ask("g", {"input": "x"})
    assert reply.payload["messages"][-1]["content"] == '{"topic": "t", "depth": 1}'


async def test_a_tool_may_have_a_json_schema():
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    ask = agent_tool("echo", description="echoes", parameters=schema)
    agent = LangGraphAgent("g", graph=calling(ask, {"q": "x"}, sync=False))
    async with running(agent, Echo("echo")) as runtime:
        reply = await runtime.ask("g", {"input": "x"})
    assert reply.payload["messages"][-1]["content"] == '{"q": "x"}'


async def test_a_tool_outside_of_an_agent_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="outside one"):
        await agent_tool("echo", description="echoes").ainvoke({"input": "x"})


async def test_many_blocking_nodes_run_at_once():
    barrier = threading.Barrier(20)

    @tool
    def meet(n: int) -> int:
        """Wait for the others."""
        barrier.wait(10)
        return n

    node = ToolNode([meet])
    calls = [{"name": "meet", "args": {"n": n}, "id": f"{n}"} for n in range(20)]
    builder = StateGraph(MessagesState)
    builder.add_node("tools", node)
    builder.add_edge(START, "tools")
    agent = LangGraphAgent("g", graph=builder.compile())
    said = {"messages": [{"role": "assistant", "content": "", "tool_calls": calls}]}
    async with running(agent) as runtime:
        reply = await runtime.ask("g", said)
    assert len(reply.payload["messages"]) == 21

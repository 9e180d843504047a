"""What the reader of a stream is told of nodes, tools and clients that are not LangChain's."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.cache.memory import InMemoryCache
from langgraph.config import get_stream_writer
from langgraph.errors import NodeError
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt
from openai import AsyncOpenAI

from civitas.demo.model_server import ModelServer
from civitas.testing import SuiteModel, ToolCall
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running
from tests.langgraph.models import played


class Box(TypedDict, total=False):
    got: Annotated[list[Any], operator.add]


def node(name: str) -> Any:
    async def run(state: Box) -> Box:
        return {"got": [name]}

    return run


def line(schema: Any, **nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(schema)
    before = START
    for name, run in nodes.items():
        builder.add_node(name, run)
        builder.add_edge(before, name)
        before = name
    return builder


async def told(graph: Any, payload: Any, *more: Any, **keywords: Any) -> list[tuple[str, Any]]:
    """What is told in one stream, or in the last of several of a conversation, but the reply."""
    async with running(LangGraphAgent("g", graph=graph, **keywords)) as runtime:
        for each, kind in ((payload, "message"), *more):
            stream = runtime.stream("g", each, kind, conversation="c")
            chunks = [(chunk.type, chunk.payload) async for chunk in stream]
    return chunks[:-1]


def steps(chunks: list[tuple[str, Any]]) -> list[str]:
    return [payload["name"] for kind, payload in chunks if kind == "step"]


@pytest.mark.promise(id="SEM-1024")
async def test_steps_are_the_graphs_own_nodes():
    def fail(state: Box) -> Box:
        raise ValueError("x")

    def handle(state: Box, error: NodeError) -> Command[Any]:
        return Command(update={"got": ["handled"]}, goto="last")

    builder = StateGraph(Box)
    builder.add_node("fails", fail, error_handler=handle)
    builder.add_node("last", node("last"))
    builder.add_node("sent", node("sent"))
    builder.add_conditional_edges(START, lambda state: "fails", ["fails"])
    two = [Send("sent", {"got": []}), Send("sent", {"got": []})]
    builder.add_conditional_edges("last", lambda state: two, ["sent"])
    chunks = await told(builder.compile(), {"got": []})
    assert steps(chunks) == ["fails", "last", "sent", "sent"]


async def test_a_node_that_is_tried_again_is_one_step():
    tries = []

    async def flaky(state: Box) -> Box:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("down")
        return {"got": ["up"]}

    builder = StateGraph(Box)
    builder.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    builder.add_edge(START, "flaky")
    assert steps(await told(builder.compile(), {"got": []})) == ["flaky"]
    assert len(tries) == 3


@pytest.mark.parametrize("deep", [False, True], ids=["at the top", "nested"])
async def test_a_node_whose_result_is_cached_is_one_step(deep):
    ran = []

    async def slow(state: Box) -> Box:
        ran.append(1)
        return {"got": ["slow"]}

    builder = StateGraph(Box)
    builder.add_node("slow", slow, cache_policy=CachePolicy(key_func=lambda state: "the same"))
    builder.add_node("last", node("last"))
    builder.add_edge(START, "slow")
    builder.add_edge("slow", "last")
    cache = InMemoryCache[Any]()
    graph = builder.compile(cache=cache)
    names = ["slow", "last"]
    if deep:
        graph, names = line(Box, inner=graph).compile(cache=cache), ["inner", *names]
    again = ({"got": []}, "message")
    assert steps(await told(graph, {"got": []}, again)) == names
    assert len(ran) == 1


async def test_what_finished_before_an_interrupt_is_no_step_of_the_resume():
    def ask(state: Box) -> Box:
        return {"got": [interrupt("?")]}

    builder = StateGraph(Box)
    for name, run in (("quick", node("quick")), ("ask", ask)):
        builder.add_node(name, run)
        builder.add_edge(START, name)
    builder.add_node("last", node("last"), defer=True)
    builder.add_edge(["quick", "ask"], "last")
    graph = builder.compile(cache=InMemoryCache())
    chunks = await told(graph, {"got": []}, ({"value": 1}, "resume"))
    assert steps(chunks) == ["ask", "last"]


async def test_the_tasks_of_a_functional_workflow_are_steps():
    @task
    async def double(n: int) -> int:
        return n * 2

    @task
    def add(n: int) -> int:
        return n + 1

    @entrypoint()
    async def flow(n: int) -> int:
        return await add(await double(n))

    assert steps(await told(flow, 3)) == ["flow", "double", "add"]


@pytest.mark.promise(id="SEM-1025")
async def test_the_answer_of_a_providers_own_client_is_told_once_as_a_token():
    with ModelServer(["hello", "hello again"]) as server:

        async def think(state: MessagesState) -> Any:
            async with AsyncOpenAI(base_url=server.url, api_key="x") as client:
                said = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "say hello"}]
                )
            return {"messages": [AIMessage(said.choices[0].message.content or "")]}

        inner = line(MessagesState, think=think).compile()
        graph = line(MessagesState, inner=inner).compile()
        chunks = await told(graph, {"input": "x"}, ({"input": "again"}, "message"))
    assert steps(chunks) == ["inner", "think"]
    assert len([payload for kind, payload in chunks if kind == "token"]) == 1


@pytest.mark.parametrize("returned", ["the message", "its text", "all messages"])
async def test_what_a_model_was_heard_to_say_is_not_told_again(returned):
    model = played(SuiteModel("hello there"))

    async def think(state: MessagesState) -> Any:
        said = await model.ainvoke(state["messages"])
        if returned == "the message":
            return {"messages": [said]}
        if returned == "its text":
            return Command(update={"messages": [AIMessage(said.content, name="bot")]})
        return {"messages": [*state["messages"], said]}

    old = {"messages": [{"role": "assistant", "content": "old"}, {"role": "user", "content": "x"}]}
    chunks = await told(line(MessagesState, think=think).compile(), old)
    assert [payload["text"] for kind, payload in chunks if kind == "token"] == ["hello", " there"]


@pytest.mark.promise(id="SEM-1026")
@pytest.mark.parametrize("in_thread", [False, True], ids=["async", "in a thread"])
async def test_what_nodes_and_tools_write_to_the_stream_is_told_in_its_order(in_thread):
    def write(x: int) -> str:
        """Write."""
        writer = get_stream_writer()
        writer({"half": x})
        writer(HumanMessage("done", id="1"))
        return "written"

    async def write_async(x: int) -> str:
        """Write."""
        return write(x)

    model = SuiteModel(ToolCall("write", {"x": 1}), "fine")
    kind = tool("write")(write) if in_thread else tool("write")(write_async)
    inner = create_agent(played(model), [kind])
    chunks = await told(line(MessagesState, inner=inner).compile(), {"input": "x"})
    call = {"name": "write", "arguments": {"x": 1}}
    assert chunks == [
        ("step", {"name": "inner"}),
        ("step", {"name": "model"}),
        ("step", {"name": "tools"}),
        ("tool", call),
        ("custom", {"half": 1}),
        ("custom", {"type": "human", "content": "done", "id": "1"}),
        ("tool", {**call, "result": "written"}),
        ("step", {"name": "model"}),
        ("token", {"text": "fine"}),
    ]


async def test_what_is_written_is_told_while_the_node_still_runs():
    go_on = asyncio.Event()

    async def slow(state: Box) -> Box:
        get_stream_writer()("half")
        await go_on.wait()
        return {"got": ["whole"]}

    async with running(LangGraphAgent("g", graph=line(Box, slow=slow).compile())) as runtime:
        async for chunk in runtime.stream("g", {"got": []}):
            if chunk.type == "custom":
                assert chunk.payload == "half"
                go_on.set()
    assert chunk.payload == {"got": ["whole"]}


async def test_what_was_written_is_told_once_where_a_durable_run_is_tried_again():
    tries = []

    async def flaky(state: Box) -> Box:
        get_stream_writer()("begun")
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("down")
        get_stream_writer()("done")
        return {"got": ["up"]}

    chunks = await told(line(Box, flaky=flaky).compile(), {"got": []}, durable=True)
    assert chunks == [("step", {"name": "flaky"}), ("custom", "begun"), ("custom", "done")]


@pytest.mark.promise(id="SEM-1027")
async def test_of_a_tool_that_returns_a_command_the_text_of_its_message_is_the_result():
    @tool
    def move(where: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Move."""
        said = ToolMessage(f"now {where}", tool_call_id=tool_call_id)
        return Command(update={"messages": [ToolMessage("old", tool_call_id="0"), said]})

    model = SuiteModel(ToolCall("move", {"where": "up"}), "fine")
    chunks = await told(create_agent(played(model), [move]), {"input": "x"})
    results = [
        payload["result"] for kind, payload in chunks if kind == "tool" and "result" in payload
    ]
    assert results == ["now up"]


async def test_a_tool_that_needs_approval_is_told_when_it_was_given():
    @tool
    def remove(name: str) -> str:
        """Remove."""
        raise ValueError(f"{name} is not there")

    def agent() -> Any:
        return create_agent(
            played(SuiteModel(ToolCall("remove", {"name": "x"}), "oh")),
            [remove],
            middleware=[HumanInTheLoopMiddleware({"remove": True})],
        )

    chunks = await told(agent(), {"input": "x"})
    assert [payload for kind, payload in chunks if kind == "tool"] == []
    approved = ({"value": {"decisions": [{"type": "approve"}]}}, "resume")
    async with running(LangGraphAgent("g", graph=agent())) as runtime:
        await runtime.ask("g", {"input": "x"}, conversation="c")
        chunks = []
        with pytest.raises(Exception, match="x is not there"):
            async for each in runtime.stream("g", *approved, conversation="c"):
                chunks.append((each.type, each.payload))
    call = {"name": "remove", "arguments": {"name": "x"}}
    assert [payload for kind, payload in chunks if kind == "tool"] == [
        call,
        {**call, "result": "Error: ValueError: x is not there"},
    ]


async def test_a_tool_that_asks_a_human_is_not_done():
    @tool
    def ask(question: str) -> str:
        """Ask."""
        return str(interrupt(question))

    model = SuiteModel(ToolCall("ask", {"question": "sure?"}), "fine")
    chunks = await told(create_agent(played(model), [ask]), {"input": "x"})
    assert [payload for kind, payload in chunks if kind == "tool"] == [
        {"name": "ask", "arguments": {"question": "sure?"}}
    ]


async def test_a_tool_has_one_name_in_the_stream_and_in_the_trace(spans):
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    async def use(state: Box) -> Box:
        renamed = add.with_config(run_name="sum of two")
        return {"got": [await renamed.ainvoke({"a": 1, "b": 2})]}

    chunks = await told(line(Box, use=use).compile(), {"got": []})
    assert [payload["name"] for kind, payload in chunks if kind == "tool"] == ["add", "add"]
    assert spans.named("execute_tool add")

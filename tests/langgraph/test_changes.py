"""Durable runs that go on under another graph than they began with."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.tools import tool
from langgraph.channels import LastValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt

from civitas import RunChanged, RunStatus, Runtime, Supervisor
from civitas.frameworks.shapes import differences
from civitas.state import InMemoryStateStore, StateStore
from civitas_langgraph import LangGraphAgent
from civitas_langgraph._shape import shape_of


class Box(TypedDict):
    got: Annotated[list[Any], operator.add]


class Nodes:
    """Nodes that write down when they run; one may hang, and one asks."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.began = asyncio.Event()
        self.hangs_at = ""

    def node(self, name: str) -> Any:
        async def run(state: Box) -> Any:
            self.ran.append(name)
            if name == self.hangs_at:
                self.began.set()
                await asyncio.Event().wait()
            if name == "ask":
                return {"got": [interrupt("may I?")]}
            return {"got": [name]}

        return run

    def line(self, *names: str, **compiled: Any) -> Any:
        builder = StateGraph(Box)
        for before, name in zip((START, *names), names, strict=False):
            builder.add_node(name, self.node(name))
            builder.add_edge(before, name)
        builder.add_edge(names[-1], END)
        return builder.compile(**compiled)


@asynccontextmanager
async def program(store: StateStore, graph: Any, **keywords: Any) -> AsyncIterator[Runtime]:
    child = LangGraphAgent("g", graph=graph, durable=True, shutdown_timeout=0, **keywords)
    spec = Supervisor("root", children=[child], backoff="NONE")
    async with Runtime(spec, state_store=store, drain_timeout=0.01) as runtime:
        yield runtime


async def left_at(name: str, nodes: Nodes, store: StateStore, graph: Any) -> None:
    """Begin the run `r` of conversation `c`, and end the program while it is in a node."""
    nodes.hangs_at = name
    async with program(store, graph) as runtime:
        await runtime.send("g", {"got": ["in"]}, run="r", conversation="c")
        await nodes.began.wait()
    nodes.hangs_at = ""


@pytest.fixture(params=["kept here", "own checkpointer"])
def compiled(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How the graphs are compiled: without a checkpointer, or with one that outlives the program."""
    return {} if request.param == "kept here" else {"checkpointer": InMemorySaver()}


@pytest.mark.promise(id="SEM-1687")
async def test_a_run_whose_node_is_gone_is_refused_and_goes_on_when_it_is_back(compiled):
    nodes, store = Nodes(), InMemoryStateStore()
    graph = nodes.line("draft", "send", **compiled)
    await left_at("send", nodes, store, graph)
    async with program(store, nodes.line("draft", "post", **compiled)) as runtime:
        with pytest.raises(RunChanged) as refused:
            await runtime.result("r", timeout=5)
        assert refused.value.differences[0] == "node 'send' is gone"
        assert "node 'post' is new" in refused.value.differences
        assert "edge 'draft -> send' is gone" in refused.value.differences
    async with program(store, graph) as runtime:
        reply = await runtime.result("r", timeout=5)
    assert (reply.payload, nodes.ran) == (
        {"got": ["in", "draft", "send"]},
        ["draft", "send", "send"],
    )
    assert await store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1612")
async def test_a_run_that_a_stop_interrupted_goes_on_from_its_last_node(compiled):
    nodes, store = Nodes(), InMemoryStateStore()
    graph = nodes.line("draft", "send", **compiled)
    await left_at("send", nodes, store, graph)
    async with program(store, graph) as runtime:
        reply = await runtime.result("r", timeout=5)
    assert reply.payload == {"got": ["in", "draft", "send"]}
    assert nodes.ran == ["draft", "send", "send"]


@pytest.mark.promise(id="SEM-1690")
async def test_a_run_goes_on_where_a_branch_is_new(compiled):
    nodes, store = Nodes(), InMemoryStateStore()
    graph = nodes.line("draft", "send", **compiled)
    await left_at("send", nodes, store, graph)
    builder = nodes.line("draft", "send").builder
    builder.add_node("audit", nodes.node("audit"))
    builder.add_edge("send", "audit")
    async with program(store, builder.compile(**compiled)) as runtime:
        reply = await runtime.result("r", timeout=5)
    assert reply.payload == {"got": ["in", "draft", "send", "audit"]}


@pytest.mark.promise(id="SEM-1691")
async def test_with_restart_a_run_begins_again_and_its_conversation_is_as_it_was(compiled):
    nodes, store = Nodes(), InMemoryStateStore()
    graph = nodes.line("draft", "send", **compiled)
    async with program(store, graph) as runtime:
        await runtime.ask("g", {"got": ["hi"]}, conversation="c")
    await left_at("send", nodes, store, graph)
    nodes.ran.clear()
    other = nodes.line("draft", "check", "send", **compiled)
    async with program(store, other, on_change="restart") as runtime:
        reply = await runtime.result("r", timeout=5)
    first = ["hi", "draft", "send"]
    assert reply.payload == {"got": [*first, "in", "draft", "check", "send"]}
    assert nodes.ran == ["draft", "check", "send"]


async def asked(nodes: Nodes, store: StateStore, graph: Any, **keywords: Any) -> None:
    """Have the run `q` of conversation `c` wait for a human."""
    async with program(store, graph, **keywords) as runtime:
        await runtime.ask("g", {"got": ["hi"]}, conversation="b")
        reply = await runtime.ask("g", {"got": ["in"]}, conversation="c", run="q")
    assert reply.type == "interrupt"


@pytest.mark.promise(id="SEM-1692")
async def test_an_answer_is_refused_where_the_next_node_is_gone_and_the_question_stays_open(
    compiled,
):
    nodes, store = Nodes(), InMemoryStateStore()
    graph = nodes.line("ask", "send", **compiled)
    await asked(nodes, store, graph)
    async with program(store, nodes.line("ask", **compiled)) as runtime:
        with pytest.raises(RunChanged, match="node 'send' is gone"):
            await runtime.ask("g", {"value": "yes"}, "resume", conversation="c")
        assert {each.run for each in runtime.runs(status=RunStatus.WAITING)} >= {"q"}
    async with program(store, graph) as runtime:
        reply = await runtime.ask("g", {"value": "yes"}, "resume", conversation="c")
    assert reply.payload == {"got": ["in", "yes", "send"]}


@pytest.mark.promise(id="SEM-1691")
async def test_with_restart_an_answer_begins_the_run_again_from_what_it_began_with(compiled):
    nodes, store = Nodes(), InMemoryStateStore()
    graph = nodes.line("draft", "ask", **compiled)
    async with program(store, nodes.line("draft", **compiled), on_change="restart") as runtime:
        await runtime.ask("g", {"got": ["hi"]}, conversation="c")
    await asked(nodes, store, graph, on_change="restart")
    other = nodes.line("ask", "send", **compiled)
    async with program(store, other, on_change="restart") as runtime:
        reply = await runtime.ask("g", {"value": "yes"}, "resume", conversation="c")
        assert reply.type == "interrupt"
        reply = await runtime.ask("g", {"value": "sure"}, "resume", conversation="c")
    assert reply.payload == {"got": ["hi", "draft", "in", "sure", "send"]}


async def test_a_restart_goes_on_from_its_last_step_after_another_stop(compiled):
    nodes, store = Nodes(), InMemoryStateStore()
    await asked(nodes, store, nodes.line("draft", "ask", **compiled), on_change="restart")
    other = nodes.line("pay", "send", **compiled)
    nodes.ran.clear()
    nodes.hangs_at = "send"
    async with program(store, other, on_change="restart") as runtime:
        await runtime.send("g", {"value": "yes"}, "resume", conversation="c", run="a")
        await nodes.began.wait()
    nodes.hangs_at = ""
    async with program(store, other, on_change="restart") as runtime:
        reply = await runtime.result("a", timeout=5)
    assert reply.payload == {"got": ["in", "pay", "send"]}
    assert nodes.ran == ["pay", "send", "send"]


# The shape.


def told(before: Any, after: Any) -> list[str]:
    return [each.text for each in differences(shape_of(before), shape_of(after))]


def test_channels_are_told_with_their_kinds():
    class Other(TypedDict):
        got: list[Any]
        more: str

    def graph(schema: Any) -> Any:
        builder = StateGraph(schema)
        builder.add_node("a", lambda state: state)
        builder.add_edge(START, "a")
        return builder.compile()

    assert told(graph(Box), graph(Other)) == [
        "channel 'more' is new",
        f"the kind of channel 'got' changed from 'BinaryOperatorAggregate(add)' to {LastValue.__name__!r}",
    ]


def test_conditional_edges_are_told_by_where_they_lead():
    def graph(**ends: Any) -> Any:
        builder = StateGraph(Box)
        for name in ("a", "b", "c"):
            builder.add_node(name, lambda state: state)
        builder.add_edge(START, "a")
        builder.add_conditional_edges("a", lambda state: "", dict[Any, str](ends) or None)
        return builder.compile()

    assert told(graph(x="b"), graph(x="b", y=END)) == ["conditional edge 'a -> END' is new"]
    assert told(graph(x="b"), graph(x="c")) == [
        "conditional edge 'a -> b' is gone",
        "conditional edge 'a -> c' is new",
    ]
    assert told(graph(), graph()) == []


def test_subgraphs_tools_and_breakpoints_are_told():
    @tool
    def pay(sum: int) -> str:
        """Pay."""
        return "paid"

    @tool("pay")
    def pay_whom(sum: int, whom: str) -> str:
        """Pay."""
        return "paid"

    def graph(inner: list[str], *tools: Any, **compiled: Any) -> Any:
        builder = StateGraph(Box)
        builder.add_node("inner", Nodes().line(*inner))
        builder.add_node("tools", ToolNode(list(tools)))
        builder.add_edge(START, "inner")
        return builder.compile(**compiled)

    before = graph(["x", "y"], pay, interrupt_before=["tools"])
    assert told(before, graph(["x", "y"], pay_whom)) == [
        "breakpoint 'before tools' is gone",
        "the parameters of tool 'pay' changed",
    ]
    assert "node 'y' is gone" in told(before, graph(["x"], pay, interrupt_before=["tools"]))
    assert "tool 'pay' is gone" in told(before, graph(["x", "y"], interrupt_before=["tools"]))

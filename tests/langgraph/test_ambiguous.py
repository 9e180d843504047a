"""Nodes that a kill met, and of whose results nothing is known."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from civitas import AmbiguousCall, HandlerFailed, Happened, Message, Runtime, StartFailed
from civitas.frameworks import idempotency_key
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import running

ASKS: Any = {"durable": True, "on_ambiguous": "interrupt", "shutdown_timeout": 0}


class Box(TypedDict):
    got: Annotated[list[Any], lambda a, b: [*(a or []), *b]]


class Nodes:
    """Nodes that write down when they run, one of which hangs the first time.

    Attributes:
        ran: The nodes that ran.
        keys: The idempotency keys of the one that hangs.
    """

    def __init__(self, hanging: str) -> None:
        self.ran: list[str] = []
        self.keys: list[str] = []
        self.hangs = asyncio.Event()
        self._hanging = hanging

    async def call(self, name: str) -> None:
        self.ran.append(name)
        if name == self._hanging:
            self.keys.append(idempotency_key())
            if len(self.keys) == 1:
                self.hangs.set()
                await asyncio.sleep(60)

    def node(self, name: str) -> Any:
        async def run(state: Box) -> Any:
            await self.call(name)
            return {"got": [name]}

        return run

    def line(self, *names: str, **inner: Any) -> StateGraph[Any]:
        builder = StateGraph(Box)
        before: str = START
        for name in names:
            builder.add_node(name, inner.get(name) or self.node(name))
            builder.add_edge(before, name)
            before = name
        builder.add_edge(before, END)
        return builder


async def killed(runtime: Runtime, hangs: asyncio.Event, payload: Any) -> Message:
    asking = asyncio.ensure_future(runtime.ask("g", payload, conversation="c", run="order-1"))
    await hangs.wait()
    await asyncio.sleep(0.01)  # for what ran beside it
    await runtime.restart("g")
    return await asking


async def answered(runtime: Runtime, value: Any, **more: Any) -> Message:
    return await runtime.ask("g", {"value": value, **more}, "resume", conversation="c")


@pytest.mark.promise(id="SEM-1683")
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("happened", [True, False])
async def test_the_node_that_a_kill_met_is_asked_about_and_no_other(
    happened: bool, own: bool
) -> None:
    nodes = Nodes("b")
    graph = nodes.line("a", "b", "c").compile(checkpointer=InMemorySaver() if own else None)
    async with running(LangGraphAgent("g", graph=graph, **ASKS)) as runtime:
        asked = await killed(runtime, nodes.hangs, {"got": []})
        (question,) = asked.payload["interrupts"]
        told = question["value"]
        assert (told["kind"], told["node"], told["run"]) == ("node", "b", "order-1")
        assert told["idempotency_key"] == question["id"] == nodes.keys[0]
        with pytest.raises(HandlerFailed, match="what it changes in the state"):
            await answered(runtime, {"happened": True, "result": "b"})
        value = {"happened": True, "result": {"got": ["B"]}} if happened else {"happened": False}
        reply = await answered(runtime, value)
        assert reply.payload == {"got": ["a", "B" if happened else "b", "c"]}
        again = await runtime.ask("g", {"got": ["more"]}, conversation="c")
        assert again.payload["got"][:4] == [*reply.payload["got"], "more"]
    assert nodes.ran == ["a", "b", *([] if happened else ["b"]), "c", "a", "b", "c"]
    assert len(set(nodes.keys)) == 2  # of the two messages


@pytest.mark.promise(id="SEM-1683")
async def test_what_was_finished_beside_it_is_not_asked_about() -> None:
    nodes = Nodes("b")
    builder = StateGraph(Box)
    for name in ("a", "b"):
        builder.add_node(name, nodes.node(name))
        builder.add_edge(START, name)
    async with running(LangGraphAgent("g", graph=builder.compile(), **ASKS)) as runtime:
        asked = await killed(runtime, nodes.hangs, {"got": []})
        (question,) = asked.payload["interrupts"]
        assert question["value"]["node"] == "b"
        reply = await answered(runtime, {"happened": True, "result": None})
        assert reply.payload == {"got": ["a"]}
    assert nodes.ran == ["a", "b"]


@pytest.mark.promise(id="SEM-1683")
async def test_the_node_of_a_subgraph_is_asked_about_and_not_the_graph_around_it() -> None:
    nodes = Nodes("y")
    inner = nodes.line("x", "y").compile()
    graph = nodes.line("a", "inner", inner=inner).compile()
    async with running(LangGraphAgent("g", graph=graph, **ASKS)) as runtime:
        asked = await killed(runtime, nodes.hangs, {"got": []})
        (question,) = asked.payload["interrupts"]
        assert question["value"]["node"] == "y"
        reply = await answered(runtime, {"happened": True, "result": {"got": ["Y"]}})
        assert reply.payload["got"][-2:] == ["x", "Y"]
    assert nodes.ran == ["a", "x", "y"]


def clerk(nodes: Nodes, *calls: Any) -> Any:
    """A graph whose model calls tools, and says what they returned."""

    @tool
    async def charge(amount: int) -> str:
        """Charge it."""
        await nodes.call("charge")
        return f"charged {amount}"

    async def model(state: MessagesState) -> Any:
        results = [each.content for each in state["messages"] if each.type == "tool"]
        if results:
            return {"messages": [AIMessage(f"done: {', '.join(map(str, results))}")]}
        return {"messages": [AIMessage("", tool_calls=list(calls))]}

    builder = StateGraph(MessagesState)
    builder.add_node("model", model)
    builder.add_node("tools", ToolNode([charge]))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile()


def charge(amount: int, id: str) -> Any:
    return {"name": "charge", "args": {"amount": amount}, "id": id}


@pytest.mark.promise(id="SEM-1683")
async def test_a_tool_node_with_one_call_is_asked_about_as_that_tool() -> None:
    nodes = Nodes("charge")
    agent = LangGraphAgent("g", graph=clerk(nodes, charge(3, "c1")), **ASKS)
    async with running(agent) as runtime:
        asked = await killed(runtime, nodes.hangs, {"input": "go"})
        (question,) = asked.payload["interrupts"]
        assert (question["value"]["tool"], question["value"]["arguments"]) == (
            "charge",
            {"amount": 3},
        )
        reply = await answered(runtime, {"happened": True, "result": "paid"})
        assert reply.payload["messages"][-1]["content"] == "done: paid"
    assert nodes.ran == ["charge"]


@pytest.mark.promise(id="SEM-1683")
async def test_a_tool_node_with_several_calls_is_asked_about_as_a_node_with_them() -> None:
    nodes = Nodes("charge")
    agent = LangGraphAgent("g", graph=clerk(nodes, charge(3, "c1"), charge(4, "c2")), **ASKS)
    async with running(agent) as runtime:
        asked = await killed(runtime, nodes.hangs, {"input": "go"})
        told = asked.payload["interrupts"][0]["value"]
        assert (told["node"], told["arguments"]) == (
            "tools",
            [{"name": "charge", "arguments": {"amount": each}} for each in (3, 4)],
        )
        results = [
            {"role": "tool", "content": f"paid {each}", "tool_call_id": each}
            for each in ("c1", "c2")
        ]
        reply = await answered(runtime, {"happened": True, "result": {"messages": results}})
        assert reply.payload["messages"][-1]["content"] == "done: paid c1, paid c2"


@pytest.mark.promise(id="SEM-1675")
@pytest.mark.parametrize(
    ("known", "said"), [(Happened("paid"), "paid"), (None, "charged 3"), (OSError(), "charged 3")]
)
async def test_the_probe_of_a_tool_is_asked_first(known: Any, said: str) -> None:
    nodes = Nodes("charge")
    seen: list[AmbiguousCall] = []

    def probe(call: AmbiguousCall) -> Any:
        seen.append(call)
        if isinstance(known, Exception):
            raise known
        return known

    keywords = {**ASKS, "on_ambiguous": "repeat", "probes": {"charge": probe}}
    agent = LangGraphAgent("g", graph=clerk(nodes, charge(3, "c1")), **keywords)
    async with running(agent) as runtime:
        reply = await killed(runtime, nodes.hangs, {"input": "go"})
        assert reply.payload["messages"][-1]["content"] == f"done: {said}"
    assert [each.idempotency_key for each in seen] == nodes.keys[:1]


@pytest.mark.promise(id="SEM-1683")
async def test_a_functional_workflow_is_refused_when_the_agent_starts() -> None:
    @entrypoint()
    async def workflow(given: Any) -> Any:
        return given

    with pytest.raises(StartFailed, match="for the nodes of a StateGraph"):
        async with running(LangGraphAgent("g", graph=workflow, **ASKS)):
            pass

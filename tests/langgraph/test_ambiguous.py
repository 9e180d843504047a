"""Nodes that a kill met, and of whose results nothing is known."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel

from civitas import (
    AgentProcess,
    AmbiguousCall,
    HandlerFailed,
    Happened,
    InMemoryStateStore,
    Message,
    Runtime,
    StartFailed,
    Supervisor,
)
from civitas.frameworks import idempotency_key
from civitas_langgraph import LangGraphAgent, agent_tool
from tests.core.frameworks.support import running

ASKS: Any = {"durable": True, "on_ambiguous": "interrupt", "shutdown_timeout": 0}


class Box(TypedDict):
    got: Annotated[list[Any], lambda a, b: [*(a or []), *b]]


class Nodes:
    """Nodes that write down when they run, one of which hangs the first time, or the first few times.

    Attributes:
        ran: The nodes that ran.
        keys: The idempotency keys of the one that hangs.
    """

    def __init__(self, hanging: str, *, hang: int = 1) -> None:
        self.ran: list[str] = []
        self.keys: list[str] = []
        self.hangs = asyncio.Event()
        self._hanging = hanging
        self._hang = hang

    async def call(self, name: str) -> None:
        self.ran.append(name)
        if name == self._hanging:
            self.keys.append(idempotency_key())
            if len(self.keys) <= self._hang:
                if len(self.keys) == self._hang:
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


@pytest.mark.promise(id="SEM-1695")
async def test_of_the_calls_of_a_tool_node_only_the_one_in_flight_is_asked_about() -> None:
    nodes = Nodes("charge")
    agent = LangGraphAgent("g", graph=clerk(nodes, charge(3, "c1"), charge(4, "c2")), **ASKS)
    store = InMemoryStateStore()
    tree = Supervisor("root", children=[agent], backoff="NONE")
    async with Runtime(tree, state_store=store) as runtime:
        asking = asyncio.ensure_future(runtime.ask("g", {"input": "go"}, conversation="c"))
        while not any("/c2/" in each for each in await store.keys("civitas:step:")):
            await asyncio.sleep(0.001)  # the other one has ended, and that is recorded
        await runtime.restart("g")
        asked = await asking
        (question,) = asked.payload["interrupts"]
        assert (question["value"]["tool"], question["value"]["arguments"]) == (
            "charge",
            {"amount": 3},
        )
        reply = await answered(runtime, {"happened": True, "result": {"paid": 3}})
        assert reply.payload["messages"][-1]["content"] == 'done: {"paid": 3}, charged 4'
    assert nodes.ran == ["charge", "charge"]


@pytest.mark.promise(id="SEM-1695")
@pytest.mark.promise(id="SEM-1684")
@pytest.mark.parametrize("ids", [("c1", "c2"), ("c", "c")], ids=["ids", "the same id"])
async def test_calls_of_a_tool_node_that_were_in_flight_together_are_answered_each_by_itself(
    ids: tuple[str, str],
) -> None:
    nodes = Nodes("charge", hang=2)
    graph = clerk(nodes, *map(charge, (3, 4), ids))
    async with running(LangGraphAgent("g", graph=graph, **ASKS)) as runtime:
        asked = await killed(runtime, nodes.hangs, {"input": "go"})
        questions = {
            each["value"]["arguments"]["amount"]: each["id"] for each in asked.payload["interrupts"]
        }
        assert {*questions.values()} == {*nodes.keys}
        left = await answered(runtime, {"happened": True, "result": "paid"}, id=questions[3])
        assert [each["id"] for each in left.payload["interrupts"]] == [questions[4]]
        reply = await answered(runtime, {"happened": False})
        assert reply.payload["messages"][-1]["content"] == "done: paid, charged 4"
    assert nodes.keys[2:] == [questions[4]]


@pytest.mark.promise(id="SEM-1680")
async def test_nobody_is_asked_about_a_tool_that_asks_a_durable_agent() -> None:
    asked, goes_on, times = asyncio.Event(), asyncio.Event(), []

    class Helper(AgentProcess):
        async def handle(self, message: Message) -> Any:
            times.append(message.id)
            asked.set()
            await goes_on.wait()
            return self.reply("helped")

    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([agent_tool("helper", description="Helps.")]))
    builder.add_edge(START, "tools")
    call = {"name": "helper", "args": {"input": "x"}, "id": "c1"}
    graph = LangGraphAgent("g", graph=builder.compile(), **ASKS)
    async with running(graph, Helper("helper", delivery="durable")) as runtime:
        payload = {"messages": [AIMessage("", tool_calls=[call]).model_dump()]}
        asking = asyncio.ensure_future(runtime.ask("g", payload, conversation="c"))
        await asked.wait()
        await runtime.restart("g")
        goes_on.set()
        reply = await asking
    assert reply.payload["messages"][-1]["content"] == '"helped"'
    assert len(times) == 1


class Ordered(BaseModel):
    items: list[str]


def shop(nodes: Nodes) -> Any:
    """A workflow of a plain task and of one that has a task of its own, which hangs."""

    @task
    def order(items: list[str]) -> Ordered:
        nodes.ran.append("order")
        return Ordered(items=items)

    @task
    async def charge(amount: int, *, config: RunnableConfig) -> str:
        await nodes.call("charge")
        return f"charged {amount}"

    @task
    async def close(ordered: Ordered) -> str:
        nodes.ran.append("close")
        return await charge(len(ordered.items))

    @entrypoint()
    async def buy(items: list[str]) -> dict[str, Any]:
        ordered = await order(items)
        said = await close(ordered)
        return {"said": said, "kept": isinstance(ordered, Ordered), "again": await order([said])}

    return buy


@pytest.mark.promise(id="SEM-1696")
@pytest.mark.parametrize("happened", [True, False])
async def test_the_task_of_a_functional_workflow_that_a_kill_met_is_asked_about(
    happened: bool,
) -> None:
    nodes = Nodes("charge")
    async with running(LangGraphAgent("g", graph=shop(nodes), **ASKS)) as runtime:
        asked = await killed(runtime, nodes.hangs, ["tea", "milk"])
        tasks = {each["value"]["task"]: each for each in asked.payload["interrupts"]}
        assert {name: each["value"]["arguments"] for name, each in tasks.items()} == {
            "close": {"ordered": {"items": ["tea", "milk"]}},
            "charge": {"amount": 2},
        }
        assert tasks["charge"]["id"] == nodes.keys[0]
        of_charge = {"happened": True, "result": "paid"} if happened else {"happened": False}
        values = {tasks["close"]["id"]: {"happened": False}, tasks["charge"]["id"]: of_charge}
        reply = await runtime.ask("g", {"values": values}, "resume", conversation="c")
        said = "paid" if happened else "charged 2"
        assert reply.payload == {"said": said, "kept": True, "again": {"items": [said]}}
    charged = [] if happened else ["charge"]
    assert nodes.ran == ["order", "close", "charge", "close", *charged, "order"]


@pytest.mark.promise(id="SEM-1696")
async def test_the_probe_of_a_task_is_asked_first() -> None:
    nodes = Nodes("charge")
    probes = {"charge": lambda call: Happened(f"paid {call.arguments['amount']}")}
    keywords = {**ASKS, "on_ambiguous": "repeat", "probes": probes}
    async with running(LangGraphAgent("g", graph=shop(nodes), **keywords)) as runtime:
        reply = await killed(runtime, nodes.hangs, ["tea"])
        assert reply.payload["said"] == "paid 1"


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


@pytest.mark.promise(id="SEM-1678")
async def test_a_graph_that_nothing_is_kept_of_here_is_refused_when_the_agent_starts() -> None:
    graph = Nodes("a").line("a").compile(checkpointer=True)
    with pytest.raises(StartFailed, match="or runs elsewhere"):
        async with running(LangGraphAgent("g", graph=graph, **ASKS)):
            pass

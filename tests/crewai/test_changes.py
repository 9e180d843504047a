"""Durable runs that go on under another crew than they began with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from crewai import Crew, Process
from crewai.tools import tool

from civitas import RunChanged, RunStatus, Runtime, Supervisor
from civitas.frameworks.shapes import differences
from civitas.state import InMemoryStateStore, StateStore
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from civitas_crewai._shape import shape_of
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Shop:
    """A crew whose tools may hang, and what was done with them."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.hangs_at = ""

    def tool(self, name: str) -> Any:
        @tool(name)
        def call() -> str:
            """Do it."""
            self.did.append(name)
            if name == self.hangs_at:
                self.began.set()
                self.let_go.wait(10)
            return f"{name} done"

        return call

    def crew(self, model: SuiteModel, *tools: str, goal: str = "Sell") -> Callable[[], Crew]:
        def make() -> Crew:
            agent = clerk(model, tools=[self.tool(each) for each in tools], goal=goal)
            return crew_of(task(agent, "sell"))

        return make


@asynccontextmanager
async def program(store: StateStore, crew: Any, **keywords: Any) -> AsyncIterator[Runtime]:
    child = CrewAIAgent("c", crew=crew, durable=True, shutdown_timeout=0, **keywords)
    spec = Supervisor("root", children=[child], backoff="NONE")
    async with Runtime(spec, state_store=store, drain_timeout=0.01) as runtime:
        yield runtime


async def left_at_ship(shop: Shop, store: StateStore) -> None:
    """Begin the run `r`, and end the program while it is in the tool `ship`."""
    shop.hangs_at = "ship"
    model = SuiteModel(ToolCall("pay", {}, id="1"), ToolCall("ship", {}, id="2"))
    async with program(store, shop.crew(model, "pay", "ship")) as runtime:
        await runtime.send("c", {}, run="r")
        await asyncio.to_thread(shop.began.wait, 10)
    shop.hangs_at = ""
    shop.let_go.set()


@pytest.mark.promise(id="SEM-1687")
async def test_a_run_whose_tool_is_gone_is_refused_and_goes_on_when_it_is_back():
    shop, store = Shop(), InMemoryStateStore()
    await left_at_ship(shop, store)
    async with program(store, shop.crew(SuiteModel(), "pay")) as runtime:
        with pytest.raises(RunChanged, match="tool 'ship' is gone"):
            await runtime.result("r", timeout=10)
    async with program(store, shop.crew(SuiteModel("shipped"), "pay", "ship")) as runtime:
        reply = await runtime.result("r", timeout=10)
    assert (reply.payload["output"], shop.did) == ("shipped", ["pay", "ship", "ship"])


@pytest.mark.promise(id="SEM-1690")
async def test_a_run_goes_on_with_another_goal_and_makes_no_tools_call_again(caplog):
    shop, store = Shop(), InMemoryStateStore()
    await left_at_ship(shop, store)
    model = SuiteModel(ToolCall("pay", {}, id="3"), ToolCall("ship", {}, id="4"), "shipped")
    async with program(store, shop.crew(model, "pay", "ship", goal="Sell more")) as runtime:
        reply = await runtime.result("r", timeout=10)
    assert (reply.payload["output"], shop.did) == ("shipped", ["pay", "ship", "ship"])
    assert "goal of 'Clerk' changed" in caplog.text


@pytest.mark.promise(id="SEM-1691")
async def test_with_restart_a_run_begins_again_from_its_message():
    shop, store = Shop(), InMemoryStateStore()
    await left_at_ship(shop, store)
    model = SuiteModel(ToolCall("pay", {}, id="3"), "paid")
    async with program(store, shop.crew(model, "pay"), on_change="restart") as runtime:
        reply = await runtime.result("r", timeout=10)
    assert (reply.payload["output"], shop.did) == ("paid", ["pay", "ship", "pay"])


def asking(model: SuiteModel, goal: str = "Answer") -> Callable[[], Crew]:
    return lambda: crew_of(task(clerk(model, goal=goal), "draft", human_input=True))


@pytest.mark.promise(id="SEM-1692")
async def test_an_answer_is_refused_and_the_question_stays_open():
    store = InMemoryStateStore()
    async with program(store, asking(SuiteModel("a draft"))) as runtime:
        await runtime.ask("c", {}, conversation="x")
    other = asking(SuiteModel(), "Answer well")
    async with program(store, other, on_change="refuse") as runtime:
        with pytest.raises(RunChanged, match="goal of 'Clerk' changed"):
            await runtime.ask("c", {"value": ""}, "resume", conversation="x")
        assert len(runtime.runs(status=RunStatus.WAITING)) == 1
    async with program(store, asking(SuiteModel())) as runtime:
        reply = await runtime.ask("c", {"value": ""}, "resume", conversation="x")
    assert reply.payload["output"] == "a draft"


@pytest.mark.promise(id="SEM-1691")
async def test_with_restart_an_answer_begins_the_run_again():
    store = InMemoryStateStore()
    async with program(store, asking(SuiteModel("a draft")), on_change="restart") as runtime:
        await runtime.ask("c", {}, conversation="x")
    other = asking(SuiteModel("another"), "Answer well")
    async with program(store, other, on_change="restart") as runtime:
        reply = await runtime.ask("c", {"value": ""}, "resume", conversation="x")
        assert reply.payload["interrupts"][0]["value"] == {"draft": "another"}
        reply = await runtime.ask("c", {"value": ""}, "resume", conversation="x")
    assert reply.payload["output"] == "another"


def test_a_crew_is_told_by_its_agents_tasks_and_tools():
    shop, model = Shop(), SuiteModel()

    def crew(role: str, *names: str, **more: Any) -> Crew:
        agent = clerk(model, role=role, tools=[shop.tool("pay")])
        return crew_of(*(task(agent, name, tools=[shop.tool("ship")]) for name in names), **more)

    def told(after: Crew) -> list[str]:
        return [
            each.text for each in differences(shape_of(crew("Clerk", "a", "b")), shape_of(after))
        ]

    assert told(crew("Clerk", "a", "b")) == []
    assert told(crew("Clerk", "a")) == ["task 'b' is gone"]
    assert told(crew("Boss", "a", "b")) == [
        "agent 'Clerk' is gone",
        "agent 'Boss' is new",
        "the agent of task 'a' changed from 'Clerk' to 'Boss'",
        "the agent of task 'b' changed from 'Clerk' to 'Boss'",
    ]
    hierarchy = crew("Clerk", "a", "b", process=Process.hierarchical, manager_llm="gpt-4o")
    assert told(hierarchy)[-1] == "process changed from 'sequential' to 'hierarchical'"

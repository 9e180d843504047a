"""Crews whose run is given up."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest
from crewai.tools import tool

from civitas.errors import AskTimeout
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task
from tests.integration.processes.system import until

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Gate:
    """A tool that blocks its thread."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.left = threading.Event()

    def tool(self) -> Any:
        @tool("gate")
        def gate(q: str) -> str:
            """Wait at the gate."""
            self.entered.set()
            self.open.wait(10)
            self.left.set()
            return "through"

        return gate


@pytest.mark.promise(id="SEM-973")
async def test_a_run_that_blocks_a_thread_is_given_up_at_once_and_says_so(caplog):
    gate = Gate()
    model = SuiteModel(ToolCall("gate", {"q": "x"}), "an answer")
    crew = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[gate.tool()]))))
    async with running(crew) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}))
        await asyncio.to_thread(gate.entered.wait, 10)
        with caplog.at_level(logging.WARNING, "civitas"):
            asking.cancel()
            began = time.monotonic()
            reply = await runtime.ask("c", {}, timeout=5)
            took = time.monotonic() - began
        gate.open.set()
        await asyncio.to_thread(gate.left.wait, 10)
    assert reply.payload["output"] == "an answer"
    assert took < 2
    assert "blocking calls of it go on in threads (1)" in caplog.text


async def test_a_thread_that_goes_on_calls_no_model_and_no_tool_any_more():
    gate = Gate()
    after: list[str] = []

    @tool("after")
    def too_late(q: str) -> str:
        """Come too late."""
        after.append(q)
        return "late"

    model = SuiteModel(
        ToolCall("delegate_work_to_coworker", {"task": "t", "context": "c", "coworker": "Helper"}),
        "an answer",
    )
    helper = SuiteModel(ToolCall("gate", {"q": "x"}), ToolCall("after", {"q": "y"}), "helped")

    def make() -> Any:
        made = crew_of(task(clerk(model, role="Boss", allow_delegation=True)))
        made.agents.append(clerk(helper, role="Helper", tools=[gate.tool(), too_late]))
        return made

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}))
        await asyncio.to_thread(gate.entered.wait, 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        gate.open.set()
        await asyncio.to_thread(gate.left.wait, 10)
        reply = await runtime.ask("c", {})
    assert reply.payload["output"] == "an answer"
    assert len(helper.seen) == 1
    assert after == []


async def test_tasks_that_ran_beside_one_that_failed_end_with_the_run():
    gate = Gate()
    stopped = SuiteModel(ToolCall("gate", {"q": "x"}), "never said")

    def fails(texts: list[str]) -> str:
        gate.entered.wait(10)
        raise RuntimeError("broken")

    def make() -> Any:
        bad = task(clerk(SuiteModel(fails)), "bad", async_execution=True)
        beside = task(clerk(stopped, tools=[gate.tool()]), "beside", async_execution=True)
        return crew_of(bad, beside, task(clerk(SuiteModel("end")), "end"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        with pytest.raises(Exception, match="broken"):
            await runtime.ask("c", {}, timeout=10)
        gate.open.set()
        await asyncio.to_thread(gate.left.wait, 10)
    assert len(stopped.seen) == 1


async def test_a_guardrail_that_blocks_holds_up_nobody_else():
    gate = Gate()

    def judge(output):
        gate.entered.set()
        gate.open.wait(10)
        return True, output.raw

    slow = CrewAIAgent("slow", crew=lambda: crew_of(task(clerk(SuiteModel("x")), guardrail=judge)))
    quick = CrewAIAgent("quick", crew=lambda: crew_of(task(clerk(SuiteModel("y")))))
    async with running(slow, quick) as runtime:
        asking = asyncio.create_task(runtime.ask("slow", {}))
        await asyncio.to_thread(gate.entered.wait, 10)
        reply = await runtime.ask("quick", {}, timeout=5)
        assert not asking.done()
        gate.open.set()
        assert (await asking).payload["output"] == "x"
    assert reply.payload["output"] == "y"


async def test_a_guardrail_that_blocks_is_left_behind_and_the_log_says_so(caplog):
    gate = Gate()

    def judge(output):
        gate.entered.set()
        gate.open.wait(10)
        gate.left.set()
        return True, output.raw

    crew = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(SuiteModel("x")), guardrail=judge)))
    async with running(crew) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}))
        await asyncio.to_thread(gate.entered.wait, 10)
        asking.cancel()
        second = asyncio.create_task(runtime.ask("c", {}, timeout=10))
        with caplog.at_level(logging.WARNING, "civitas"):
            await until(lambda: "civitas-crew-c: the run was cancelled" in caplog.text)
        gate.open.set()
        await second
        await asyncio.to_thread(gate.left.wait, 10)


@pytest.mark.promise(id="SEM-1071")
@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_a_durable_run_that_is_given_up_leaves_its_conversation_as_it_was(how):
    gate, store = Gate(), InMemoryStateStore()
    gated = ToolCall("gate", {"q": "x"})
    model = SuiteModel("draft", "published", "half", gated, "draft", "last")

    def make() -> Any:
        who = clerk(model, tools=[gate.tool()])
        return crew_of(task(who, "write"), task(who, "publish"))

    agent = CrewAIAgent("c", crew=make, durable=True)
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("c", {}, conversation="x")
        before = await store.get(agent.memory_key("x"))
        await give_up(runtime, gate, {}, how=how)
        assert await store.get(agent.memory_key("x")) == before
        await runtime.ask("c", {}, conversation="x")
    said = " ".join(model.seen[-2])
    assert said.count("Earlier output: published") == said.count("Earlier output:") == 1


@pytest.mark.promise(id="SEM-1071")
@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_an_answer_whose_durable_run_is_given_up_leaves_the_question_open(how):
    gate, store = Gate(), InMemoryStateStore()
    model = SuiteModel("draft", ToolCall("gate", {"q": "x"}), "last")

    def make() -> Any:
        who = clerk(model, tools=[gate.tool()])
        return crew_of(task(who, "write", human_input=True), task(who, "publish"))

    agent = CrewAIAgent("c", crew=make, durable=True)
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("c", {}, conversation="x")
        before = await store.get(agent.memory_key("x"))
        await give_up(runtime, gate, {"value": ""}, "resume", how=how)
        assert await store.get(agent.memory_key("x")) == before
        reply = await runtime.ask("c", {"value": ""}, "resume", conversation="x")
    assert [each["raw"] for each in reply.payload["tasks"]] == ["draft", "last"]


async def give_up(runtime: Runtime, gate: Gate, *message: Any, how: str) -> None:
    """Ask, and go away while the tool is called."""
    asking = asyncio.create_task(
        runtime.ask("c", *message, conversation="x", timeout=1 if how == "expired" else 30)
    )
    await asyncio.to_thread(gate.entered.wait, 10)
    if how == "cancelled":
        asking.cancel()
    with pytest.raises((asyncio.CancelledError, AskTimeout)):
        await asking
    gate.open.set()
    await asyncio.to_thread(gate.left.wait, 10)

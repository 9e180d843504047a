"""What the headers of the reply tell of the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from crewai.tools import BaseTool, tool
from crewai.tools.tool_failure import ToolFailure

from civitas.demo.model_server import Failure
from civitas.demo.model_server import ToolCall as Called
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import doing, restarts, running, told_over_a_crash
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


async def usages(llm: Any, runs: int = 1, **keywords: Any) -> list[dict[str, int]]:
    """The usage that each run of a crew of two agents with one model tells."""

    def make() -> Any:
        return crew_of(task(clerk(llm), "one"), task(clerk(llm), "two"))

    async with running(CrewAIAgent("c", crew=make, **keywords)) as runtime:
        replies = [await runtime.ask("c", {}) for _ in range(runs)]
    assert all(set(each.payload) == {"output", "tasks"} for each in replies)
    return [json.loads(each.headers["civitas-usage"]) for each in replies]


@pytest.mark.promise(id="SEM-1066")
async def test_the_usage_is_that_of_one_run_and_counts_a_model_that_two_agents_share_once(scripted):
    first, second = await usages(scripted(lambda body: "an answer"), runs=2)
    assert first == second
    assert first["requests"] == 2
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"] > 0


@pytest.mark.promise(id="SEM-1066")
async def test_the_usage_of_a_durable_run_counts_what_was_called_before_a_crash(scripted):
    script = ["an answer", Failure(503, "down", retry_after=0.01), "an answer"]
    (usage,) = await usages(scripted(script), durable=True)
    (whole,) = await usages(scripted(lambda body: "an answer"))
    assert usage == whole


@pytest.mark.promise(id="SEM-1751")
async def test_a_run_tells_what_the_calls_cost_that_were_recorded_before_a_crash(scripted):
    killed: list[str] = []

    @tool("deadly")
    def deadly(q: str) -> str:
        """Kill the agent the first time."""
        killed.append(q)
        if len(killed) == 1:
            raise SystemExit("killed")
        return "survived"

    llm = scripted(["one", Called("deadly", {"q": "x"}), "two"])

    def make() -> Any:
        return crew_of(task(clerk(llm), "one"), task(clerk(llm, tools=[deadly]), "two"))

    info = await told_over_a_crash(CrewAIAgent("c", crew=make, durable=True), {})
    assert info.usage is not None
    assert (info.deliveries, info.usage["requests"]) == (2, 3)
    assert info.usage["total_tokens"] > 0
    assert info.cost == pytest.approx(info.usage["total_tokens"])


async def test_the_usage_of_a_durable_run_counts_what_an_agent_used_that_was_delegated_to(scripted):
    asked = {"task": "t", "context": "c", "coworker": "Helper"}
    delegating = [Called("delegate_work_to_coworker", asked), "helped"]
    llm = scripted([*delegating, Failure(503, "down", retry_after=0.01), "end"])

    def make() -> Any:
        made = crew_of(task(clerk(llm, role="Boss", allow_delegation=True)))
        made.agents.append(clerk(llm, role="Helper"))
        return made

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
    assert json.loads(reply.headers["civitas-usage"])["requests"] == 3


async def test_the_usage_of_a_run_that_asked_a_human_counts_what_was_called_before(scripted):
    llm = scripted(lambda body: "an answer")

    def make() -> Any:
        return crew_of(task(clerk(llm), "one"), task(clerk(llm), "two", human_input=True))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        asked = await runtime.ask("c", {}, conversation="x")
        reply = await runtime.ask("c", {"value": ""}, "resume", conversation="x")
    requests = [json.loads(each.headers["civitas-usage"])["requests"] for each in (asked, reply)]
    assert requests == [2, 2]


@tool("break")
def broken(q: str) -> str:
    """Break."""
    raise KeyError(q)


class Refuses(BaseTool):
    name: str = "Send Mail"
    description: str = "Sends."

    def _run(self, to: str) -> Any:
        return ToolFailure(message="no such address", code="550")


@pytest.mark.promise(id="SEM-1066")
@pytest.mark.promise(id="SEM-1221")
@pytest.mark.parametrize("durable", [False, True])
async def test_tools_that_failed_are_told_though_the_run_ended_well(durable):
    calls = [ToolCall("break", {"q": "it"}), ToolCall("send_mail", {"to": "x"})]
    crash = [RuntimeError("broken")] if durable else []
    model = SuiteModel(*calls, "gave up", *crash, "end")

    def make() -> Any:
        who = clerk(model, tools=[broken, Refuses()])
        return crew_of(task(who, "try"), task(clerk(model), "end"))

    async with running(CrewAIAgent("c", crew=make, durable=durable)) as runtime:
        reply = await runtime.ask("c", {})
        assert restarts(runtime) == 0
    assert set(reply.payload) == {"output", "tasks"}
    assert json.loads(reply.headers["civitas-tool-failures"]) == [
        {"name": "break", "error": "'it' (code: KeyError)"},
        {"name": "send_mail", "error": "no such address (code: 550)"},
    ]
    assert len(model.seen) == 4 + len(crash)


@pytest.mark.promise(id="SEM-1643")
async def test_while_it_runs_it_tells_its_task_and_tool_and_what_its_models_used(scripted):
    seen = []

    @tool("look")
    def look() -> str:
        """Look."""
        seen.append(doing(runtime, "c"))
        return "seen"

    def make() -> Any:
        who = clerk(scripted(["first", Called("look", {}), "done"]), tools=[look])
        return crew_of(task(who, "write"), task(who, "publish"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        await runtime.ask("c", {})
    [told] = seen
    assert (told["step"], told["usage"][0]) == ("publish: look", 2)
    assert told["usage"][3] > 0

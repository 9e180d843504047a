"""Crews that go on after a failure."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from crewai import LLM, Agent, Process
from crewai.tools import tool
from pydantic import BaseModel

from civitas.demo.model_server import Failure, ModelServer
from civitas.frameworks import idempotency_key
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task
from tests.crewai.models import played

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Verdict(BaseModel):
    score: int


async def survives(make: Any, *, crashes: int = 0, **inputs: Any) -> Any:
    """The reply of a durable crew that fails once, and how often that crashes its agent."""
    agent = CrewAIAgent("c", crew=make, durable=True)
    async with running(agent) as runtime:
        reply = await runtime.ask("c", inputs)
        assert restarts(runtime) == crashes
    return reply.payload


@pytest.mark.promise(id="SEM-967")
async def test_neither_models_nor_tools_are_called_again():
    looked: list[str] = []

    @tool("look")
    def look(q: str) -> dict[str, Any]:
        """Look it up."""
        looked.append(q)
        return {"found": [q, 1, None]}

    calls = [ToolCall("look", {"q": "x"}, id="a"), ToolCall("look", {"q": "y"}, id="b")]
    model = SuiteModel(*calls, RuntimeError("broken"), "found both", "end")

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[look]), "find"), task(clerk(model), "end"))

    payload = await survives(make)
    assert [each["raw"] for each in payload["tasks"]] == ["found both", "end"]
    assert looked == ["x", "y"]
    assert len(model.seen) == 5


async def test_a_tool_that_failed_is_not_called_again_as_the_model_was_told_so():
    tried: list[str] = []

    @tool("look")
    def look(q: str) -> str:
        """Look it up."""
        tried.append(q)
        raise KeyError("nothing there")

    model = SuiteModel(ToolCall("look", {"q": "x"}), "gave up", RuntimeError("broken"), "end")

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[look])), task(clerk(model), "end"))

    payload = await survives(make)
    assert payload["output"] == "end"
    assert "nothing there" in model.seen[1][-1]
    assert (tried, len(model.seen)) == (["x"], 4)


@pytest.mark.promise(id="SEM-1699")
async def test_tools_that_are_called_at_once_are_not_called_again():
    looked: list[str] = []
    both = threading.Barrier(2)

    @tool("look")
    def look(q: str) -> str:
        """Look it up."""
        both.wait(10)
        looked.append(f"{q} {idempotency_key()}")
        return f"found {q}"

    calls = [ToolCall("look", {"q": q}, id=q) for q in ("x", "y")]
    model = SuiteModel(calls, RuntimeError("broken"), "end")
    payload = await survives(lambda: crew_of(task(clerk(model, tools=[look]))))
    assert payload["output"] == "end"
    assert len({each.split()[1] for each in looked}) == len(looked) == 2
    assert model.seen[-1][-2:] == ["found x", "found y"]


async def test_crewais_own_tries_do_not_repeat_the_calls_before_the_one_that_failed():
    looked: list[str] = []

    @tool("look")
    def look(q: str) -> str:
        """Look it up."""
        looked.append(q)
        return "found"

    model = SuiteModel(ToolCall("look", {"q": "x"}), RuntimeError("broken"), "answer", "end")

    def make() -> Any:
        who = Agent(role="a", goal="b", backstory="c", llm=played(model), tools=[look])
        return crew_of(task(who), task(who, "end"))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
        assert restarts(runtime) == 0
    assert reply.payload["output"] == "end"
    assert (len(model.seen), looked) == (4, ["x"])


async def test_calls_of_a_tool_are_told_apart_by_what_they_are_given():
    @tool("ticket")
    def ticket(id: int) -> str:
        """Look up a ticket."""
        return f"ticket {id}"

    both = [ToolCall("ticket", {"id": number}, id=f"call-{number}") for number in (1, 2)]
    model = SuiteModel(*both, RuntimeError("broken"), "end")
    await survives(lambda: crew_of(task(clerk(model, tools=[ticket]))))
    assert [text for text in model.seen[-1] if text.startswith("ticket")] == [
        "ticket 1",
        "ticket 2",
    ]


async def test_what_an_agent_did_that_was_delegated_to_is_not_done_again():
    boss = SuiteModel(
        ToolCall("delegate_work_to_coworker", {"task": "t", "context": "c", "coworker": "Helper"}),
        RuntimeError("broken"),
        "all done",
    )
    helper = SuiteModel("helped")

    def make() -> Any:
        made = crew_of(task(clerk(boss, role="Boss", allow_delegation=True)))
        made.agents.append(clerk(helper, role="Helper"))
        return made

    payload = await survives(make)
    assert payload["output"] == "all done"
    assert len(helper.seen) == 1
    assert "helped" in " ".join(boss.seen[-1])


async def test_tasks_that_run_beside_each_other_are_not_mixed_up():
    models = {
        "left": SuiteModel("from left"),
        "right": SuiteModel("from right"),
        "end": SuiteModel(RuntimeError("broken"), "end"),
    }

    def make() -> Any:
        both = [task(clerk(models[name]), name, async_execution=True) for name in ("left", "right")]
        return crew_of(*both, task(clerk(models["end"]), "end"))

    payload = await survives(make)
    assert [each["raw"] for each in payload["tasks"]] == ["from left", "from right", "end"]
    assert [len(each.seen) for each in models.values()] == [1, 1, 2]


async def test_a_guardrail_and_its_second_try_are_gone_through_with_the_calls_that_were_made():
    model = SuiteModel("bad", "good", RuntimeError("broken"), "end")
    judged: list[str] = []

    def judge(output):
        judged.append(output.raw)
        return output.raw == "good", output.raw

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one", guardrail=judge), task(who, "two"))

    payload = await survives(make)
    assert [each["raw"] for each in payload["tasks"]] == ["good", "end"]
    assert len(model.seen) == 4


async def test_a_structured_answer_is_one_again():
    model = SuiteModel('{"score": 3}', RuntimeError("broken"), "end")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one", output_pydantic=Verdict), task(who, "two"))

    payload = await survives(make)
    assert payload["output"] == "end"
    assert "score" in " ".join(model.seen[-1])
    assert len(model.seen) == 3


async def test_the_manager_of_a_hierarchy_goes_on_too():
    manager = SuiteModel(
        ToolCall("delegate_work_to_coworker", {"task": "t", "context": "c", "coworker": "Clerk"}),
        RuntimeError("broken"),
        "managed",
    )
    worker = SuiteModel("worked")

    def make() -> Any:
        return crew_of(
            task(clerk(worker)), process=Process.hierarchical, manager_llm=played(manager)
        )

    # The manager is CrewAI's own, and tries again by itself.
    agent = CrewAIAgent("c", crew=make, durable=True)
    async with running(agent) as runtime:
        reply = await runtime.ask("c", {})
    assert reply.payload["output"] == "managed"
    assert len(worker.seen) == 1


async def test_a_call_that_is_made_again_has_the_same_idempotency_key():
    keys: list[str] = []

    @tool("pay")
    def pay(amount: int) -> str:
        """Pay."""
        keys.append(idempotency_key())
        if len(keys) == 1:
            raise SystemExit("killed")  # past CrewAI, which would tell the model
        return "paid"

    model = SuiteModel(ToolCall("pay", {"amount": 3}), "thanks")
    payload = await survives(lambda: crew_of(task(clerk(model, tools=[pay]))), crashes=1)
    assert payload["output"] == "thanks"
    assert len(set(keys)) == 1
    assert len(keys) == 2


async def test_the_models_provider_gets_the_idempotency_key_of_each_call():
    with ModelServer(["one", Failure(503, "down", retry_after=0.01), "two"]) as server:
        llm: Any = LLM(model="openai/m1", base_url=server.url, api_key="x", max_retries=0)

        def make() -> Any:
            who = clerk(llm)
            return crew_of(task(who, "one"), task(who, "two"))

        payload = await survives(make)
        llm._client.close()
    keys = [each["idempotency-key"] for each in server.headers]
    assert payload["output"] == "two"
    assert keys[1] == keys[2] != keys[0]


@pytest.mark.promise(id="SEM-969")
async def test_what_was_recorded_is_forgotten_with_the_message():
    store = InMemoryStateStore()
    model = SuiteModel("one", RuntimeError("broken"), "two")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one"), task(who, "two"))

    root = Supervisor("root", children=[CrewAIAgent("c", crew=make, durable=True)], backoff="NONE")
    async with Runtime(root, state_store=store) as runtime:
        await runtime.ask("c", {})
    assert await store.keys("civitas:step:") == []

"""Agents and models that CrewAI makes itself, for a crew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from crewai import Process
from crewai.llms.providers.openai.completion import OpenAICompletion
from crewai.tools import tool

from civitas.demo.model_server import Failure, ModelServer, Script
from civitas.demo.model_server import ToolCall as ServedCall
from civitas.testing import SuiteModel
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PLAN = {"list_of_plans_per_task": [{"task_number": 1, "task": "answer", "plan": "Think!"}]}


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], ModelServer]]:
    """A function from a script to the server of the models that are given by their names alone."""
    build = OpenAICompletion._build_sync_client

    with ExitStack() as stack:

        def closed_at_last(model: OpenAICompletion) -> Any:
            client = build(model)
            stack.callback(client.close)  # CrewAI itself never closes it
            return client

        monkeypatch.setattr(OpenAICompletion, "_build_sync_client", closed_at_last)

        def serve(script: Script) -> ModelServer:
            server = stack.enter_context(ModelServer(script))
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            monkeypatch.setenv("OPENAI_API_KEY", "x")
            return server

        yield serve


@pytest.mark.promise(id="SEM-1061")
async def test_what_the_manager_calls_is_told_and_not_called_again(spans, vendor):
    booked: list[str] = []

    @tool("Book a seat")
    def book(what: str) -> str:
        """Book something."""
        booked.append(what)
        return "booked"

    down = [Failure(503, "down", retry_after=0.01)] * 3  # as often as the client itself asks

    def script(body: dict[str, Any]) -> Any:
        if not any(each["role"] == "tool" for each in body["messages"]):
            return ServedCall("book_a_seat", {"what": "a"})
        return down.pop() if down else "done"

    def make() -> Any:
        worker = clerk(SuiteModel(), tools=[book])
        return crew_of(task(worker, "booking"), process=Process.hierarchical, manager_llm="gpt-4o")

    server = vendor(script)
    async with running(
        CrewAIAgent("c", crew=lambda: trying_nothing_again(make()), durable=True)
    ) as runtime:
        chunks = [each async for each in runtime.stream("c", {})]
        assert restarts(runtime) == 0
    called = {"name": "book_a_seat", "arguments": {"what": "a"}}
    assert [(each.type, each.payload) for each in chunks if each.type in ("step", "tool")] == [
        ("step", {"name": "booking"}),
        ("tool", called),
        ("tool", {**called, "result": "booked"}),
    ]
    assert booked == ["a"]
    keys = [each["idempotency-key"] for each in server.headers]
    assert len(keys) == 5
    assert len(set(keys)) == len(set(keys[1:])) + 1 == 2
    assert json.loads(chunks[-1].headers["civitas-usage"])["requests"] == 2
    assert "execute_tool book_a_seat" in [span.name for span in spans.all()]


def trying_nothing_again(made: Any) -> Any:
    """The crew, whose manager tries nothing again when CrewAI has made it."""
    create = made._create_manager_agent

    def create_manager() -> None:
        create()
        made.manager_agent.max_retry_limit = 0

    made.__dict__["_create_manager_agent"] = create_manager
    return made


@pytest.mark.promise(id="SEM-1061")
async def test_what_the_planner_said_is_not_asked_again_also_of_a_model_that_nobody_named(vendor):
    model = SuiteModel(RuntimeError("broken"), "fine")

    def make() -> Any:
        return crew_of(task(clerk(model)), planning=True)

    server = vendor([json.dumps(PLAN)])
    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        chunks = [each async for each in runtime.stream("c", {})]
        assert restarts(runtime) == 0
    assert "Think!" in " ".join(model.seen[1])
    assert len(server.headers) == 1
    assert server.headers[0]["idempotency-key"]
    assert [each.payload["text"] for each in chunks if each.type == "token"] == ["fine"]


async def test_a_planner_that_fails_and_is_asked_again_by_crewai_is_not_asked_a_third_time(vendor):
    model = SuiteModel(RuntimeError("broken"), "fine")

    def make() -> Any:
        return crew_of(task(clerk(model)), planning=True)

    server = vendor([Failure(400, "no"), json.dumps(PLAN)])
    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        assert (await runtime.ask("c", {})).payload["output"] == "fine"
    assert len(server.headers) == 2


async def test_an_agent_that_reasons_asks_its_model_for_a_plan_once():
    model = SuiteModel("a plan", "fine", RuntimeError("broken"), "end")

    def make() -> Any:
        thinker = clerk(model, planning=True)
        return crew_of(task(thinker, "think"), task(clerk(model), "end"))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
        assert restarts(runtime) == 0
    assert reply.payload["output"] == "end"
    assert len(model.seen) == 4


async def test_a_guardrail_in_words_asks_its_model_once():
    model = SuiteModel("fine", '{"valid": true, "feedback": null}', RuntimeError("broken"), "end")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one", guardrail="It is fine."), task(who, "two"))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
    assert [each["raw"] for each in reply.payload["tasks"]] == ["fine", "end"]
    assert len(model.seen) == 4

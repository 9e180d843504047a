"""What the failures of a crew mean."""

from __future__ import annotations

from typing import Any

import pytest
from crewai import Agent
from crewai.tools import tool
from crewai.tools.tool_failure import ToolFailurePolicy
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)

from civitas.demo.model_server import Failure
from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task
from tests.crewai.models import played

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


async def failed(make: Any, **keywords: Any) -> tuple[str, int]:
    """What whoever asked is told, and how often the agent was started again."""
    async with running(CrewAIAgent("c", crew=make, **keywords)) as runtime:
        with pytest.raises(HandlerFailed) as error:
            await runtime.ask("c", {})
        return error.value.error_type, restarts(runtime)


@pytest.mark.promise(id="SEM-970")
async def test_a_guardrail_that_stays_unmet_is_told_to_the_asker_and_the_agent_lives():
    def judge(output):
        return False, "no good"

    make = lambda: crew_of(  # noqa: E731
        task(clerk(SuiteModel("x")), guardrail=judge, guardrail_max_retries=1)
    )
    assert await failed(make) == ("Exception", 0)


@pytest.mark.promise(id="SEM-970")
async def test_a_window_that_is_full_is_told_to_the_asker_and_the_agent_lives():
    model = SuiteModel(LLMContextLengthExceededError("context length exceeded"))
    make = lambda: crew_of(task(clerk(model, respect_context_window=False)))  # noqa: E731
    assert await failed(make) == ("LLMContextLengthExceededError", 0)


async def test_at_the_limit_of_iterations_the_model_is_asked_for_its_last_word():
    @tool("look")
    def look(q: str) -> str:
        """Look it up."""
        return "found"

    model = SuiteModel(ToolCall("look", {"q": "x"}), "last word")
    async with running(
        CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model, tools=[look], max_iter=1))))
    ) as runtime:
        reply = await runtime.ask("c", {})
    assert reply.payload["output"] == "last word"


@pytest.mark.promise(id="SEM-970")
async def test_a_tool_that_is_not_there_is_told_to_the_asker_where_the_user_wants_no_more_tries():
    @tool("look")
    def look(q: str) -> str:
        """Look it up."""
        return "found"

    model = SuiteModel(ToolCall("nothing", {}))
    policy = ToolFailurePolicy.RAISE
    make = lambda: crew_of(  # noqa: E731
        task(clerk(model, tools=[look], tool_failure_policy=policy))
    )
    assert await failed(make) == ("ToolExecutionFailedError", 0)


@pytest.mark.promise(id="SEM-971")
@pytest.mark.parametrize("status", [500, 503])
async def test_a_provider_that_is_down_crashes_nobody(scripted, status):
    llm = scripted(lambda body: Failure(status, "down"))
    kind, restarted = await failed(lambda: crew_of(task(clerk(llm))))
    assert (kind, restarted) == ("InternalServerError", 0)


@pytest.mark.promise(id="SEM-1081")
async def test_a_key_that_is_refused_is_told_to_the_asker_and_the_agent_lives(scripted):
    llm = scripted([Failure(401, "no such key"), "an answer"])
    async with running(CrewAIAgent("c", crew=lambda: crew_of(task(clerk(llm))))) as runtime:
        with pytest.raises(HandlerFailed) as error:
            await runtime.ask("c", {})
        assert error.value.error_type == "AuthenticationError"
        await runtime.ask("c", {})
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-971")
async def test_a_provider_that_was_down_is_asked_again_in_a_durable_run(scripted):
    llm = scripted(["one", Failure(503, "down", retry_after=0.01), "two"])

    def make() -> Any:
        who = clerk(llm)
        return crew_of(task(who, "one"), task(who, "two"))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
        assert restarts(runtime) == 0
    assert [each["raw"] for each in reply.payload["tasks"]] == ["one", "two"]


async def test_crewais_own_tries_come_first_and_as_often_as_the_user_set_them():
    model = SuiteModel(RuntimeError("1"), RuntimeError("2"), "third time")

    def make() -> Any:
        who = Agent(role="Clerk", goal="x", backstory="x", llm=played(model), max_retry_limit=2)
        return crew_of(task(who))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        reply = await runtime.ask("c", {})
        assert restarts(runtime) == 0
    assert reply.payload["output"] == "third time"

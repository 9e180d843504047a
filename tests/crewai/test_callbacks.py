"""A crew's callbacks, before and after its kickoff and after its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself, and of callbacks that its own checkpoints could not hold.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore:.*callbacks cannot be serialized:UserWarning"
)


def crew_with(model: SuiteModel, *, before: Any = (), after: Any = (), **more: Any) -> Any:
    made = crew_of(task(clerk(model), description="About {topic}.", **more))
    made.before_kickoff_callbacks.extend(before)
    made.after_kickoff_callbacks.extend(after)
    return made


async def outputs(*after: Any) -> Any:
    """The reply's output, and the tasks, after these callbacks."""
    make = lambda: crew_with(SuiteModel("the text"), after=after)  # noqa: E731
    async with running(CrewAIAgent("c", crew=make)) as runtime:
        reply = await runtime.ask("c", {"topic": "otters"})
        assert restarts(runtime) == 0
    assert reply.payload["tasks"] == [{"name": "answer", "raw": "the text"}]
    return reply.payload["output"]


async def later(output: Any) -> str:
    return f"{output.raw}, later"


@pytest.mark.promise(id="SEM-1063")
@pytest.mark.parametrize(
    ("after", "output"),
    [
        ([lambda output: None], "the text"),
        ([lambda output: {"a": 1}], {"a": 1}),
        ([lambda output: {}], {}),
        ([lambda output: "other"], "other"),
        ([lambda output: None, lambda output: output.raw.upper()], "THE TEXT"),
        ([lambda output: output.tasks_output[0]], "the text"),
        ([later], "the text, later"),
    ],
)
async def test_what_a_callback_after_the_kickoff_returns_is_the_output_and_nothing_changes_nothing(
    after, output
):
    assert await outputs(*after) == output


async def test_the_conversation_remembers_what_the_callbacks_made_of_the_output():
    model = SuiteModel("one", "two")
    make = lambda: crew_with(model, after=[lambda output: {"said": output.raw}])  # noqa: E731
    async with running(CrewAIAgent("c", crew=make)) as runtime:
        for _ in range(2):
            await runtime.ask("c", {"topic": "otters"}, conversation="x")
    assert 'Earlier output: {"said": "one"}' in " ".join(model.seen[1])


def renamed(inputs: dict[str, Any]) -> None:
    inputs["topic"] = "cats"


async def fetched(inputs: dict[str, Any]) -> dict[str, Any]:
    return {**inputs, "topic": "owls"}


@pytest.mark.promise(id="SEM-1063")
@pytest.mark.parametrize(
    ("before", "topic"),
    [
        (lambda inputs: None, "otters"),
        (renamed, "cats"),
        (lambda inputs: {"topic": "dogs"}, "dogs"),
        (fetched, "owls"),
    ],
)
async def test_a_callback_before_the_kickoff_that_returns_nothing_leaves_the_inputs(before, topic):
    model = SuiteModel("done")
    async with running(CrewAIAgent("c", crew=lambda: crew_with(model, before=[before]))) as runtime:
        await runtime.ask("c", {"topic": "otters"})
    assert f"About {topic}." in " ".join(model.seen[0])


async def test_what_a_callback_changes_in_the_inputs_is_not_changed_twice_when_the_run_is_tried_again():
    def add(inputs: dict[str, Any]) -> None:
        inputs["topic"].append("cats")

    model = SuiteModel(RuntimeError("broken"), "done")
    make = lambda: crew_with(model, before=[add])  # noqa: E731
    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        await runtime.ask("c", {"topic": ["otters"]})
    assert "About ['otters', 'cats']." in " ".join(model.seen[1])


async def test_a_callback_that_returns_what_are_no_inputs_is_an_error_that_names_it():
    def mistaken(inputs: dict[str, Any]) -> Any:
        return "otters"

    model = SuiteModel("never")
    async with running(
        CrewAIAgent("c", crew=lambda: crew_with(model, before=[mistaken]))
    ) as runtime:
        with pytest.raises(HandlerFailed, match="mistaken returned str; return the inputs"):
            await runtime.ask("c", {"topic": "otters"})
    assert model.seen == []


@pytest.mark.parametrize("returned", [None, {"a": 1}, "text"])
async def test_what_a_tasks_callback_returns_changes_nothing(returned):
    heard: list[str] = []

    async def awaited(output: Any) -> Any:
        heard.append(output.raw)
        return returned

    def called(output: Any) -> Any:
        heard.append(output.raw)
        return returned

    def make() -> Any:
        made = crew_with(SuiteModel("the text"), callback=called)
        made.task_callback = awaited
        return made

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        reply = await runtime.ask("c", {"topic": "otters"})
    assert reply.payload["output"] == "the text"
    assert heard == ["the text", "the text"]

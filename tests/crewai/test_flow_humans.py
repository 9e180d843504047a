"""Flows that ask a human."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from crewai.flow.flow import Flow, listen, start
from crewai.flow.human_feedback import human_feedback

from civitas.errors import HandlerFailed
from civitas.frameworks import wrap
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task
from tests.crewai.models import played

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # CrewAI warns of itself
    pytest.mark.usefixtures("lancedb"),
]


async def answer(runtime: Runtime, asked: Message, text: Any, **more: Any) -> Message:
    payload = {"value": text, **more}
    return await runtime.ask("f", payload, "resume", conversation=asked.conversation)


SORTED = SuiteModel("rejected")
SORTER = played(SORTED)


class Review(Flow[dict[str, Any]]):
    """A draft that a human judges, beside a search; counts what was called."""

    suppress_flow_events: bool = True
    called: Any = None
    llm: Any = None

    @start()
    @human_feedback(message="Fit to print?", emit=["approved", "rejected"], llm=SORTER)
    def draft(self) -> str:
        self.called.append("draft")
        self.state["drafts"] = self.state.get("drafts", 0) + 1
        return f"draft {self.state['drafts']} on {self.state['topic']}"

    @start()
    async def search(self) -> dict[str, int]:
        await asyncio.sleep(0.01)
        self.called.append("search")
        self.state["found"] = 7
        return {"found": 7}

    @listen("approved")
    def publish(self, feedback: Any) -> str:
        self.called.append("publish")
        return f"{feedback.output}, {feedback.feedback}: published with {self.state['found']}"

    @listen("rejected")
    def drop(self) -> str:
        return "dropped"


def review(**fields: Any) -> Any:
    called: list[str] = []
    return (lambda: Review(called=called, **fields)), called


@pytest.mark.promise(id="SEM-1858")
@pytest.mark.parametrize("durable", [False, True])
async def test_a_human_is_asked_and_what_was_done_before_is_not_done_again(durable):
    make, called = review()
    async with running(wrap(make, name="f", durable=durable)) as runtime:
        asked = await runtime.ask("f", {"topic": "otters"})
        assert asked.type == "interrupt"
        (question,) = asked.payload["interrupts"]
        assert question["value"] == {
            "method": "draft",
            "message": "Fit to print?",
            "draft": "draft 1 on otters",
            "outcomes": ["approved", "rejected"],
        }
        assert sorted(called) == ["draft", "search"]
        with pytest.raises(HandlerFailed, match="must be text"):
            await answer(runtime, asked, True)
        reply = await answer(runtime, asked, "Approved")
    assert reply.payload["output"] == "draft 1 on otters, Approved: published with 7"
    assert reply.payload["state"]["drafts"] == 1
    assert sorted(called) == ["draft", "publish", "search"]


async def test_an_answer_in_other_words_is_sorted_by_the_model():
    make, _ = review()
    async with running(wrap(make, name="f", durable=True)) as runtime:
        asked = await runtime.ask("f", {"topic": "otters"})
        reply = await answer(runtime, asked, "no way")
    assert reply.payload["output"] == "dropped"
    assert len(SORTED.seen) == 1


@pytest.mark.promise(id="SEM-1858")
async def test_a_question_is_answered_in_another_process_on_the_same_store():
    make, called = review()
    store = InMemoryStateStore()
    async with Runtime(Supervisor("root", [wrap(make, name="f")]), state_store=store) as runtime:
        asked = await runtime.ask("f", {"topic": "otters"}, conversation="c")
    assert asked.type == "interrupt"
    async with Runtime(Supervisor("root", [wrap(make, name="f")]), state_store=store) as runtime:
        reply = await answer(runtime, asked, "approved")
    assert "published" in reply.payload["output"]
    assert sorted(called) == ["draft", "publish", "search"]


class Form(Flow[dict[str, Any]]):
    """Asks twice in one method."""

    suppress_flow_events: bool = True

    @start()
    def fill(self) -> list[str]:
        return [self.ask("Name?") or "", self.ask("Age?") or ""]


@pytest.mark.promise(id="SEM-1858")
async def test_what_a_method_asks_is_a_question_to_a_human():
    async with running(wrap(Form, name="f")) as runtime:
        first = await runtime.ask("f", {})
        assert [each["value"] for each in first.payload["interrupts"]] == [{"message": "Name?"}]
        second = await answer(runtime, first, "Ann")
        assert [each["value"] for each in second.payload["interrupts"]] == [{"message": "Age?"}]
        reply = await answer(runtime, second, "7")
    assert reply.payload["output"] == ["Ann", "7"]


class Twice(Flow[dict[str, Any]]):
    """Two questions at once."""

    suppress_flow_events: bool = True

    @start()
    @human_feedback(message="a?")
    def a(self) -> str:
        return "a"

    @start()
    @human_feedback(message="b?")
    def b(self) -> str:
        return "b"


async def test_two_questions_that_are_open_at_once_are_answered_by_their_ids():
    async with running(wrap(Twice, name="f")) as runtime:
        asked = await runtime.ask("f", {})
        ids = {each["value"]["method"]: each["id"] for each in asked.payload["interrupts"]}
        assert set(ids) == {"a", "b"}
        second = await answer(runtime, asked, "fine", id=ids["a"])
        (left,) = second.payload["interrupts"]
        assert left["id"] == ids["b"]
        reply = await answer(runtime, second, "good")
    assert reply.payload["output"]["feedback"] in ("fine", "good")


class Outer(Flow[dict[str, Any]]):
    """Runs a flow that asks, and a crew that asks, in its methods."""

    suppress_flow_events: bool = True
    model: Any = None

    @start()
    async def inner(self) -> Any:
        return await Twice().akickoff()

    @listen(inner)
    def crew(self) -> str:
        write = task(clerk(self.model), "write", human_input=True)
        made: Any = crew_of(write).kickoff()
        return str(made.raw)


@pytest.mark.promise(id="SEM-1858")
async def test_flows_and_crews_that_a_method_runs_may_ask_too():
    model = SuiteModel("first draft", "second draft")
    async with running(wrap(lambda: Outer(model=model), name="f")) as runtime:
        asked = await runtime.ask("f", {})
        values = []
        for said in "fine", "good", "shorter", "":
            (question,) = asked.payload["interrupts"]
            values.append(question["value"].get("message") or question["value"]["draft"])
            asked = await answer(runtime, asked, said)
    assert sorted(values[:2]) == ["a?", "b?"]
    assert values[2:] == ["first draft", "second draft"]
    assert asked.payload["output"] == "second draft"
    assert len(model.seen) == 2

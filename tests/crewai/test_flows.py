"""CrewAI Flows as agents."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from crewai.flow.flow import Flow, listen, or_, router, start
from crewai.flow.human_feedback import human_feedback
from pydantic import BaseModel

from civitas.errors import ConfigurationError, HandlerFailed, StartFailed
from civitas.frameworks import wrap
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel
from civitas_crewai import FlowAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task
from tests.crewai.models import played

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # CrewAI warns of itself
    pytest.mark.usefixtures("lancedb"),
]


class Poem(BaseModel):
    """A state."""

    id: str = ""
    whom: str = "nobody"
    lines: list[str] = []


class Poet(Flow[Poem]):
    """Two methods, one after the other."""

    suppress_flow_events: bool = True

    @start()
    def write(self) -> str:
        self.state.lines.append(f"roses for {self.state.whom}")
        return self.state.lines[0]

    @listen(write)
    async def sign(self, text: str) -> str:
        self.state.lines.append("a poet")
        return f"{text}, {self.state.lines[-1]}"


async def answer(runtime: Runtime, asked: Message, text: Any, **more: Any) -> Message:
    payload = {"value": text, **more}
    return await runtime.ask("f", payload, "resume", conversation=asked.conversation)


@pytest.mark.promise(id="SEM-1857")
@pytest.mark.parametrize("durable", [False, True])
async def test_the_inputs_are_the_state_and_the_reply_has_the_output_and_the_state(durable):
    async with running(wrap(Poet, name="f", durable=durable)) as runtime:
        reply = await runtime.ask("f", {"whom": "otters"})
        again = await runtime.ask("f", {})
    assert reply.payload["output"] == "roses for otters, a poet"
    assert reply.payload["state"]["lines"] == ["roses for otters", "a poet"]
    assert again.payload["output"] == "roses for nobody, a poet"
    assert again.payload["state"]["id"] != reply.payload["state"]["id"]


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


class Failing(Flow[dict[str, Any]]):
    """Fails until it is let."""

    suppress_flow_events: bool = True
    called: Any = None
    failures: Any = None

    @start()
    def first(self) -> Poem:
        self.called.append("first")
        self.state["count"] = self.state.get("count", 0) + 1
        return Poem(whom="otters")

    @router(first)
    def choose(self, poem: Poem) -> str:
        self.called.append("choose")
        return "left" if poem.whom == "otters" else "right"

    @listen("left")
    def last(self) -> str:
        self.called.append("last")
        if self.failures:
            raise self.failures.pop()
        return f"{self.state['count']} left"

    @listen(or_("right", "nowhere"))
    def never(self) -> str:
        return "never"


@pytest.mark.promise(id="SEM-1857")
@pytest.mark.parametrize("error", [ConnectionError("away"), MemoryError("no more")])
async def test_after_a_failure_or_a_crash_a_durable_flow_goes_on_behind_its_last_method(error):
    called: list[str] = []
    failures: list[Exception] = [error]
    agent = FlowAgent("f", flow=lambda: Failing(called=called, failures=failures), durable=True)
    async with running(agent) as runtime:
        reply = await runtime.ask("f", {})
    assert reply.payload["output"] == "1 left"
    assert called == ["first", "choose", "last", "last"]
    assert reply.payload["state"]["count"] == 1


class WithCrew(Flow[dict[str, Any]]):
    """Runs a crew in a method, and fails behind it at first."""

    suppress_flow_events: bool = True
    model: Any = None
    failures: Any = None

    @start()
    def run_crew(self) -> str:
        clerks = clerk(self.model), clerk(self.model)
        text: Any = crew_of(task(clerks[0], "write"), task(clerks[1], "cut")).kickoff()
        if self.failures:
            raise self.failures.pop()
        return str(text.raw)


@pytest.mark.promise(id="SEM-1859")
async def test_the_models_of_a_crew_inside_are_asked_once_and_count_for_the_budget():
    model = SuiteModel("long", "short")
    failures: list[Exception] = [ConnectionError("away")]
    agent = FlowAgent(
        "f",
        flow=lambda: WithCrew(model=model, failures=failures),
        durable=True,
        budget={"calls": 2},
    )
    async with running(agent) as runtime:
        reply = await runtime.ask("f", {})
        (budget,) = await runtime.budgets()
    assert reply.payload["output"] == "short"
    assert len(model.seen) == 2
    assert budget["used"]["calls"] == 2


@pytest.mark.promise(id="SEM-1857")
async def test_a_conversation_goes_on_with_the_state_of_the_run_before():
    async with running(wrap(Poet, name="f")) as runtime:
        await runtime.ask("f", {"whom": "otters"}, conversation="c")
        reply = await runtime.ask("f", {}, conversation="c")
        other = await runtime.ask("f", {}, conversation="d")
    assert reply.payload["state"]["lines"] == [
        "roses for otters", "a poet", "roses for otters", "a poet",
    ]  # fmt: skip
    assert other.payload["state"]["lines"] == ["roses for nobody", "a poet"]


async def test_a_reader_hears_of_each_method_when_it_begins():
    async with running(wrap(Poet, name="f")) as runtime:
        told = [each async for each in runtime.stream("f", {})]
    assert [(each.type, each.payload.get("name")) for each in told[:-1]] == [
        ("step", "write"),
        ("step", "sign"),
    ]
    assert told[-1].type == "reply"


async def test_a_reader_hears_what_the_crews_inside_say():
    model = SuiteModel("a long answer", "short")
    async with running(wrap(lambda: WithCrew(model=model), name="f")) as runtime:
        told = [each async for each in runtime.stream("f", {})]
    said = [each.payload["text"] for each in told if each.type == "token"]
    assert "".join(said) == "a long answershort"
    assert told[-1].payload["output"] == "short"


class Slow(Flow[dict[str, Any]]):
    """Takes for ever."""

    suppress_flow_events: bool = True
    began: Any = None
    after: Any = None

    @start()
    async def wait(self) -> None:
        self.began.set()
        await asyncio.sleep(60)

    @listen(wait)
    def then(self) -> None:
        self.after.append("then")


async def test_a_run_that_nobody_waits_for_any_more_is_cancelled():
    began, after = threading.Event(), []
    async with running(wrap(lambda: Slow(began=began, after=after), name="f")) as runtime:
        asking = asyncio.ensure_future(runtime.ask("f", {}))
        await asyncio.to_thread(began.wait, 10)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        with pytest.raises(HandlerFailed, match="kickoff inputs"):
            await asyncio.wait_for(runtime.ask("f", "text"), 5)
    assert after == []


async def test_what_the_state_does_not_take_is_refused_by_name():
    async with running(wrap(Poet, name="f")) as runtime:
        with pytest.raises(HandlerFailed, match=r"payload\.lines.*does not take it"):
            await runtime.ask("f", {"lines": 7})
        assert (await runtime.ask("f", {"whom": "a"})).payload["state"]["whom"] == "a"


class Keeps(Flow[dict[str, Any]]):
    """Has something in its state that cannot be kept."""

    suppress_flow_events: bool = True

    @start()
    def connect(self) -> str:
        self.state["client"] = object()
        return "connected"

    @listen(connect)
    def drop(self) -> str:
        del self.state["client"]
        return "done"


async def test_a_state_that_cannot_be_kept_is_refused_where_it_would_have_to_be():
    async with running(wrap(Keeps, name="f")) as runtime:
        assert (await runtime.ask("f", {})).payload["output"] == "done"
    async with running(wrap(Keeps, name="f", durable=True)) as runtime:
        with pytest.raises(
            HandlerFailed, match=r"cannot be kept: its state at the method 'connect'"
        ):
            await runtime.ask("f", {})


async def test_a_flow_that_is_there_already_is_refused_with_what_to_give():
    with pytest.raises(StartFailed, match="Give the class Poet, or a function"):
        async with running(wrap(Poet(), name="f")):
            pass
    with pytest.raises(ConfigurationError, match="flow must be"):
        FlowAgent("f", flow=7)  # type: ignore[arg-type]


async def test_its_methods_are_spans_below_the_run(spans, capsys):
    async with running(wrap(lambda: Poet(suppress_flow_events=False), name="f")) as runtime:
        await runtime.ask("f", {})
    assert spans.outline() == [
        "send f",
        "  process f",
        "    invoke_workflow f",
        "      task write",
        "      task sign",
    ]
    assert capsys.readouterr().out == ""

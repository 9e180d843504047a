"""CrewAI Flows as agents."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from crewai.flow.flow import Flow, listen, or_, router, start
from pydantic import BaseModel

from civitas.errors import ConfigurationError, HandlerFailed, StartFailed
from civitas.frameworks import wrap
from civitas.testing import SuiteModel
from civitas_crewai import FlowAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task

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

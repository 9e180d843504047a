"""What the methods of a flow hand on, and what their state is, when a run or a conversation goes on."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import threading
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from crewai.flow.flow import Flow, and_, listen, start
from crewai.flow.human_feedback import human_feedback
from pydantic import BaseModel, Field, PrivateAttr, SecretBytes, SecretStr, model_validator

from civitas.errors import HandlerFailed, PayloadError
from civitas.frameworks import plain, wrap
from civitas.message import decode, encode
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel
from civitas_crewai import FlowAgent
from civitas_crewai._exact import pack_exact, unpack_exact
from civitas_crewai._shape import flow_shape
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # CrewAI warns of itself
    pytest.mark.usefixtures("lancedb"),
]


@dataclass
class Point:
    """A dataclass."""

    x: int


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Item(BaseModel):
    """A model with what a dump leaves out."""

    x: Any
    left_out: int = Field(default=1, exclude=True)
    raw: bytes = b"\xff"
    _note: str = PrivateAttr(default="")


def noted() -> Item:
    item = Item(x={"inner": Item(x=(1, 2))}, left_out=7)
    item._note = "mine"
    return item


VALUES = {
    "tuple": (1, (2, "b")),
    "a dict of models": {"m": Item(x=1)},
    "a list of dicts of models": [{"m": [Item(x=1)]}],
    "a model with what a dump leaves out": noted(),
    "dataclass": Point(1),
    "a list of dataclasses": [Point(1), Point(2)],
    "enum": Colour.RED,
    "path": pathlib.PurePosixPath("/x"),
    "datetime": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    "set": {(2, 3)},
    "frozenset": frozenset({1}),
    "decimal": decimal.Decimal("1.50"),
    "uuid": uuid.UUID(int=7),
    "bytes": b"\xff",
    "int keys": {1: "a", None: "b"},
    "tuple keys": {(1, 2): "a"},
    "a dict with the mark": {"$made": "tuple", "of": 1},
    "none": None,
    "nested lists": [[1, [True]], []],
}


@pytest.mark.promise(id="SEM-1857")
@pytest.mark.parametrize("name", VALUES)
def test_what_is_recorded_comes_back_equal_and_of_the_same_class(name):
    value = VALUES[name]
    again = unpack_exact(decode(encode(pack_exact(value, "v"))))
    assert again == value
    assert repr(again) == repr(value)
    assert type(again) is type(value)


class Local:
    """No data."""


def nested() -> Any:
    class Inside(BaseModel):
        x: int

    return Inside(x=1)


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        ({"a": [threading.Lock()]}, "v['a'][0]", "lock cannot be recorded"),
        (Item(x=SecretStr("hunter2")), "v.x", "SecretStr cannot be recorded"),
        ([SecretBytes(b"\xff")], "v[0]", "SecretBytes cannot be recorded"),
        (Local(), "v", "Local cannot be recorded"),
        (nested(), "v", "at the top level"),
        (2**70, "v", ""),
        ("\ud800", "v", ""),
    ],
)
def test_what_would_not_come_back_equal_is_refused_by_its_path(value, path, why):
    with pytest.raises(PayloadError) as refused:
        pack_exact(value, "v")
    assert refused.value.path == path
    assert why in refused.value.problem


def test_what_holds_itself_is_refused():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(PayloadError, match="contains itself"):
        pack_exact(value, "v")


def test_a_model_that_cannot_be_sent_is_a_payload_error():
    with pytest.raises(PayloadError, match="lock cannot be sent"):
        plain({"m": Item(x=threading.Lock())})


class Hands(Flow[dict[str, Any]]):
    """Hands on what it was given."""

    suppress_flow_events: bool = True
    value: Any = None
    got: Any = None

    @start()
    def one(self) -> Any:
        self.state["kept"] = [self.value]
        return self.value

    @listen(one)
    def two(self, value: Any) -> str:
        self.got += [value, *self.state["kept"]]
        del self.state["kept"]
        return "done"


class Judged(Flow[dict[str, Any]]):
    """The same, and a human judges it."""

    suppress_flow_events: bool = True
    value: Any = None
    got: Any = None

    @start()
    def one(self) -> Any:
        self.state["kept"] = [self.value]
        return self.value

    @listen(one)
    @human_feedback(message="Fine?")
    def judge(self, value: Any) -> str:
        self.got += [value, *self.state["kept"]]
        return "draft"

    @listen(and_(one, judge))
    def last(self) -> str:
        self.got += [*self.state["kept"], self.method_outputs[0]]
        del self.state["kept"]
        return "done"


@pytest.mark.promise(id="SEM-1857")
async def test_what_a_listener_gets_is_what_crewai_alone_gives():
    values = [*VALUES.values(), SecretStr("hunter2"), Local(), nested(), 2**70]
    alone: list[Any] = []
    await Hands(value=values, got=alone).akickoff()
    got: list[Any] = []
    async with running(wrap(lambda: Hands(value=values, got=got), name="f")) as runtime:
        await runtime.ask("f", {})
    assert got[0] is values
    assert list(map(id, got)) == list(map(id, alone))


@pytest.mark.promise(id="SEM-1858")
@pytest.mark.parametrize("durable", [False, True])
async def test_what_a_listener_gets_behind_a_question_is_equal_to_it(durable):
    got: list[Any] = []
    make = lambda: Judged(value=VALUES, got=got)  # noqa: E731
    async with running(wrap(make, name="f", durable=durable)) as runtime:
        asked = await runtime.ask("f", {})
        await runtime.ask("f", {"value": "yes"}, "resume", conversation=asked.conversation)
    assert got == [VALUES] * 4
    assert repr(got[2:]) == repr([VALUES] * 2)


async def test_what_cannot_be_recorded_is_refused_by_method_and_path_where_a_record_is_needed():
    values = {"key": SecretStr("hunter2")}
    judged = FlowAgent("f", flow=lambda: Judged(value=values, got=[]))
    durable = FlowAgent("g", flow=lambda: Returns(value=values), durable=True)
    async with running(judged, durable) as runtime:
        with pytest.raises(HandlerFailed, match=r"method 'one' holds .*state\.kept\[0\]\['key'\]"):
            await runtime.ask("f", {})
        with pytest.raises(HandlerFailed, match=r"'one' returned .*result\['key'\].*__init__"):
            await runtime.ask("g", {})


class Returns(Flow[dict[str, Any]]):
    """Returns what it was given; then fails at first, if it is to."""

    suppress_flow_events: bool = True
    value: Any = None
    away: Any = None

    @start()
    def one(self) -> Any:
        return self.value() if callable(self.value) else self.value

    @listen(one)
    def two(self, made: Any) -> list[str]:
        if self.away:
            raise self.away.pop()
        return [type(made).__name__, made.raw, type(made.tasks_output[0]).__name__]


@pytest.mark.promise(id="SEM-1859")
async def test_the_output_of_a_crew_is_recorded_as_what_it_is():
    model, away = SuiteModel("short"), [ConnectionError("away")]

    def value() -> Any:
        return crew_of(task(clerk(model), "write")).kickoff()

    agent = FlowAgent("f", flow=lambda: Returns(value=value, away=away), durable=True)
    async with running(agent) as runtime:
        reply = await runtime.ask("f", {})
    assert reply.payload["output"] == ["CrewOutput", "short", "TaskOutput"]
    assert not away
    assert len(model.seen) == 1


class Old(BaseModel):
    """A state, in its first version."""

    topic: str = "nothing"
    old: int = 0
    low: int = 0
    high: int = 1


class New(BaseModel):
    """The next version."""

    model_config = {"validate_assignment": True}
    topic: str = "nothing"
    low: int = 0
    high: float = 1
    new: str = "new"

    @model_validator(mode="after")
    def in_order(self) -> New:
        """Check it."""
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class OldFlow(Flow[Old]):
    """Sets what the next version checks as a whole."""

    suppress_flow_events: bool = True

    @start()
    def one(self) -> str:
        self.state.low, self.state.high = 10, 20
        return self.state.topic


class NewFlow(Flow[New]):
    """Reads it."""

    suppress_flow_events: bool = True
    high: Any = None

    @start()
    def one(self) -> list[Any]:
        if self.high is not None:
            self.state.__dict__["high"] = self.high
        return [self.state.topic, self.state.low, self.state.high, self.state.new]


@pytest.mark.promise(id="SEM-1857")
async def test_a_conversation_outlives_a_field_that_goes_and_a_check_of_all_fields(caplog):
    store = InMemoryStateStore()
    old, new = (wrap(kind, name="f") for kind in (OldFlow, NewFlow))
    async with Runtime(Supervisor("root", [old]), state_store=store) as runtime:
        await runtime.ask("f", {"topic": "otters"}, conversation="c")
    async with Runtime(Supervisor("root", [new]), state_store=store) as runtime:
        for payload in {}, {"topic": "otters"}:
            reply = await runtime.ask("f", payload, conversation="c")
            assert reply.payload["output"] == ["otters", 10, 20, "new"]
    assert caplog.text.count("has no field 'old' any more") == 1


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_run_that_leaves_a_state_which_the_next_could_not_begin_with_fails_at_once():
    highs: list[Any] = [None, "text", None]
    async with running(wrap(lambda: NewFlow(high=highs[0]), name="f")) as runtime:
        await runtime.ask("f", {"topic": "a"}, conversation="c")
        highs.pop(0)
        with pytest.raises(HandlerFailed, match=r"that this run left.*state\.high"):
            await runtime.ask("f", {}, conversation="c")
        highs.pop(0)
        reply = await runtime.ask("f", {}, conversation="c")
    assert reply.payload["output"][0] == "a"


def test_the_fields_of_a_typed_state_are_parts_of_its_shape():
    def fields(flow: Flow[Any]) -> dict[str, str]:
        parts = flow_shape(flow)
        return {part.name: part.value for part in parts if part.kind == "field of the state"}

    old, new = fields(OldFlow()), fields(NewFlow())
    assert {"topic", "old"} <= set(old)
    assert "old" not in new
    assert old["low"] == new["low"]
    assert old["high"] != new["high"]


class Leaves(Flow[dict[str, Any]]):
    """Leaves something in its state that cannot be sent."""

    suppress_flow_events: bool = True

    @start()
    def one(self) -> str:
        return "one"

    @listen(one)
    def two(self) -> str:
        self.state["lock"] = threading.Lock()
        return "two"

    @listen(two)
    def three(self) -> str:
        return "three"


@pytest.mark.parametrize("conversation", [None, "c"])
async def test_a_state_that_cannot_be_sent_names_the_field_and_the_method(conversation):
    async with running(wrap(Leaves, name="f")) as runtime:
        with pytest.raises(HandlerFailed, match=r"state\.lock: lock .* the method 'two' left it"):
            await runtime.ask("f", {}, conversation=conversation)


class Free(BaseModel, extra="allow"):
    """Takes everything."""

    topic: str = "nothing"


class FreeFlow(Flow[Free]):
    """Tells its inputs."""

    suppress_flow_events: bool = True

    @start()
    def one(self) -> Any:
        return self.state.tpoic


@pytest.mark.promise(id="SEM-1857")
async def test_an_input_that_a_typed_state_would_ignore_is_refused_with_the_nearest():
    async with running(FlowAgent("f", flow=OldFlow), FlowAgent("g", flow=FreeFlow)) as runtime:
        with pytest.raises(HandlerFailed, match=r"payload\.tpoic.*did you mean 'topic'"):
            await runtime.ask("f", {"tpoic": "x"})
        assert (await runtime.ask("g", {"tpoic": "x"})).payload["output"] == "x"
        with pytest.raises(HandlerFailed, match=r"payload\.id.*no @persist"):
            await runtime.ask("g", {"id": "evil"})

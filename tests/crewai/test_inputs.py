"""The inputs of a crew: what a payload may hold, and what stands in a prompt."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Color(Enum):
    RED = "red"


NUMBER = UUID("12345678-1234-5678-1234-567812345678")
INPUTS: dict[str, tuple[Any, str]] = {
    "when": (datetime(2026, 11, 29, 12, 30, tzinfo=UTC), "2026-11-29T12:30:00+00:00"),
    "day": (date(2026, 11, 29), "2026-11-29"),
    "hour": (time(12, 30), "12:30:00"),
    "length": (timedelta(minutes=90), "1:30:00"),
    "number": (NUMBER, str(NUMBER)),
    "price": (Decimal("12.50"), "12.50"),
    "pair": ((1, "two"), "[1, 'two']"),
    "tags": ({"b", "a"}, "['a', 'b']"),
    "color": (Color.RED, "red"),
    "nothing": (None, "None"),
    "nested": (
        {"on": [date(2026, 1, 2)], "of": {NUMBER: {Decimal(1)}}},
        f"{{'on': ['2026-01-02'], 'of': {{'{NUMBER}': ['1']}}}}",
    ),
}


@pytest.mark.promise(id="SEM-1064")
async def test_every_payload_that_can_be_sent_stands_in_the_prompt():
    model = SuiteModel("done", "done")
    text = " ".join(f"{name}=<{{{name}}}>" for name in INPUTS)

    def make() -> Any:
        return crew_of(task(clerk(model), description=text))

    payload = {name: given for name, (given, _) in INPUTS.items()}
    async with running(CrewAIAgent("c", crew=make)) as runtime:
        for _ in range(2):
            await runtime.ask("c", payload, conversation="x")
    prompt = " ".join(model.seen[0])
    for name, (_, shown) in INPUTS.items():
        assert f"{name}=<{shown}>" in prompt
    assert '"price": "12.50"' in " ".join(model.seen[1])  # what the conversation remembers


@pytest.mark.promise(id="SEM-1064")
@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"topic": b"otters"}, r"payload\.topic: bytes cannot be put in a prompt"),
        ({"topic": "x", "more": [1, b"x"]}, r"payload\.more\[1\]: bytes"),
        ({"topic": "x", "of": {"y": b"x"}}, r"payload\.of\['y'\]: bytes"),
        ({"topic": "x", 7: "x"}, r"payload\[7\]: the name of an input is text; this one is int"),
    ],
)
async def test_what_cannot_is_refused_by_name_before_anything_runs(payload, error):
    model = SuiteModel("never")

    def make() -> Any:
        return crew_of(task(clerk(model), description="About {topic}."))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        with pytest.raises(HandlerFailed, match=error) as failed:
            await runtime.ask("c", payload)
        assert failed.value.error_type == "PayloadError"
        assert restarts(runtime) == 0
    assert model.seen == []


async def test_a_callback_before_the_kickoff_gets_the_payload_as_it_came_and_may_read_it():
    got: list[Any] = []

    def read(inputs: dict[str, Any]) -> dict[str, Any]:
        got.append(inputs["photo"])
        return {"topic": len(inputs["photo"])}

    model = SuiteModel("done")

    def make() -> Any:
        made = crew_of(task(clerk(model), description="About {topic}."))
        made.before_kickoff_callbacks.append(read)
        return made

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        await runtime.ask("c", {"photo": b"12345"})
    assert got == [b"12345"]
    assert "About 5." in " ".join(model.seen[0])


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ({"topic": b"x"}, r"payload\.topic: bytes cannot"),
        ({"topic": object()}, r"payload\.topic: object cannot"),
        ({}, r"payload\.topic: it is missing"),
    ],
)
async def test_what_is_unfit_after_the_callbacks_is_refused_by_name_too(returned, error):
    model = SuiteModel("never")

    def make() -> Any:
        made = crew_of(task(clerk(model), description="About {topic}."))
        made.before_kickoff_callbacks.append(lambda inputs: returned)
        return made

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        with pytest.raises(HandlerFailed, match=error) as failed:
            await runtime.ask("c", {"topic": "otters"})
        assert failed.value.error_type == "PayloadError"
        assert restarts(runtime) == 0
    assert model.seen == []

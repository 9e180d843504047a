"""Texts that become structured output."""

from __future__ import annotations

import json
from typing import Any

import pytest
from crewai.tools import tool
from crewai.utilities.converter import Converter
from pydantic import BaseModel

from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Verdict(BaseModel):
    score: int


@tool("look")
def look(q: str) -> str:
    """Look it up."""
    return f"found {q}"


class Own(Converter):
    """A converter of the crew's own."""


SHAPES: list[Any] = [
    {"output_json": Verdict},
    {"output_pydantic": Verdict},
    {"output_json": Verdict, "converter_cls": Own},
]


@pytest.mark.promise(id="SEM-1062")
@pytest.mark.parametrize("shape", SHAPES, ids=["json", "pydantic", "own"])
async def test_a_conversion_asks_the_model_itself_once_and_silently(shape):
    model = SuiteModel("three of ten", '{"score": 3}', RuntimeError("broken"), "end")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "judge", **shape), task(who, "end"))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        chunks = [each async for each in runtime.stream("c", {})]
        assert restarts(runtime) == 0
    tokens = "".join(each.payload["text"] for each in chunks if each.type == "token")
    assert tokens == "three of tenend"
    assert len(model.seen) == 4
    assert model.seen[1][-1] == "three of ten"


async def test_a_conversion_that_failed_and_was_asked_for_again_by_crewai_is_asked_for_once_more_only_then():
    asked = SuiteModel(
        "three of ten", OSError("hiccup"), '{"score": 3}', RuntimeError("broken"), "end"
    )

    def make() -> Any:
        who = clerk(asked)
        return crew_of(task(who, "judge", output_json=Verdict), task(who, "end"))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
    assert reply.payload["output"] == "end"
    assert len(asked.seen) == 5


@pytest.mark.promise(id="SEM-1062")
@pytest.mark.parametrize("shape", SHAPES, ids=["json", "pydantic", "own"])
async def test_a_conversion_has_a_span_and_an_idempotency_key(spans, scripted_server, shape):
    llm, server = scripted_server(["three of ten", '{"score": 3}'])

    def make() -> Any:
        # With a tool, the model's answer may be any text.
        return crew_of(task(clerk(llm, tools=[look]), "judge", **shape))

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
    assert reply.payload["output"] == {"score": 3}
    assert json.loads(reply.headers["civitas-usage"])["requests"] == 2
    keys = [each["idempotency-key"] for each in server.headers]
    assert len(set(keys)) == 2
    assert [span.name for span in spans.all()].count("chat m1") == 2


async def test_an_answer_that_the_model_of_the_output_refuses_reaches_the_asker_by_its_name():
    async with running(
        CrewAIAgent(
            "c",
            crew=lambda: crew_of(
                task(clerk(SuiteModel('{"score": "high"}')), output_pydantic=Verdict)
            ),
        )
    ) as runtime:
        with pytest.raises(HandlerFailed, match="score") as failed:
            await runtime.ask("c", {})
    assert failed.value.error_type == "ValidationError"

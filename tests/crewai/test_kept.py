"""How much of a conversation and of a run is written, and what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from crewai.tools import tool

from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.state.few_methods import FewMethods, WithBatches
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STORES = [FewMethods, WithBatches]
SIZE = 2000


def text(number: int) -> str:
    """Two thousand characters that no other number has."""
    return (f"{number} is a number. " * 200)[:SIZE]


@tool("look")
def look(number: int) -> str:
    """Look it up."""
    return text(number)


@asynccontextmanager
async def asked(kind: Any, make: Any, **keywords: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A runtime with the agent `c`, and its store."""
    store = kind(InMemoryStateStore())
    tree = Supervisor("root", [CrewAIAgent("c", crew=make, **keywords)], backoff="NONE")
    async with Runtime(tree, state_store=store) as runtime:
        yield runtime, store


def calling(times: int, *then: str) -> SuiteModel:
    """A model that looks up that many numbers, one after the other."""
    calls = [ToolCall("look", {"number": each}, id=f"call-{each}") for each in range(times)]
    return SuiteModel(*calls, *then)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.promise(id="SEM-1596")
async def test_a_turn_writes_what_is_new_in_it_and_the_newest_runs_are_kept(kind: Any) -> None:
    turns = 30
    model = SuiteModel(*(text(number) for number in range(turns)))

    def make() -> Any:
        return crew_of(task(clerk(model), description="Say something about {topic}."))

    async with asked(kind, make) as (runtime, store):
        written = []
        for number in range(turns):
            before = store.bytes
            await runtime.ask("c", {"topic": text(-number)}, conversation="x")
            written.append(store.bytes - before)
        assert sum(written[10:]) <= 3 * (turns - 10) * 2 * SIZE
        assert store.size <= 40_000


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.promise(id="SEM-1597")
async def test_a_durable_crew_writes_each_call_once(kind: Any) -> None:
    calls = 20
    model = calling(calls, "The end.")

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[look])))

    async with asked(kind, make, durable=True) as (runtime, store):
        reply = await runtime.ask("c", {}, conversation="x")
        assert reply.payload["output"] == "The end."
        assert store.bytes <= 1.5 * calls * SIZE
    assert store.size <= 2000


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1597")
async def test_each_question_of_a_crew_writes_the_calls_since_the_one_before(
    kind: Any, durable: bool
) -> None:
    calls = 20
    model = calling(calls, *(f"draft {number}" for number in range(12)))

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[look]), human_input=True))

    async with asked(kind, make, durable=durable) as (runtime, store):
        await runtime.ask("c", {}, conversation="x")
        for _ in range(5):
            before = store.bytes
            asked_again = await runtime.ask("c", {"value": "Again."}, "resume", conversation="x")
            assert asked_again.type == "interrupt"
            assert store.bytes - before <= 5000
    assert store.size <= 1.2 * calls * SIZE

"""What a crew remembers of a conversation."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from crewai.tools import tool

from civitas.errors import HandlerFailed
from civitas.frameworks.conversations import Record, key_of
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, Retention, SQLiteStateStore
from civitas.supervision import Supervisor
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from civitas_crewai._memory import as_text, with_run
from tests.core.frameworks.support import running, transcript
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.promise(id="SEM-963")
async def test_the_first_task_is_told_the_inputs_and_the_output_of_earlier_runs_and_no_other_task_is():
    model = SuiteModel("draft 1", "final 1", "draft 2", "final 2")

    def make() -> Any:
        who = clerk(model)
        first = task(who, "write", description="Write about {topic}.")
        return crew_of(first, task(who, "edit", context=[]))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        for topic in ("otters", "cats"):
            await runtime.ask("c", {"topic": topic}, conversation="x")
    write, edit = (" ".join(texts) for texts in model.seen[2:])
    assert '{"topic": "otters"}' in write
    assert "final 1" in write
    assert "draft 1" not in write
    assert "final 1" not in edit


async def test_a_template_may_place_the_history_itself():
    model = SuiteModel("one", "two")

    def make() -> Any:
        return crew_of(task(clerk(model), description="So far: <{history}> Answer {q}"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        await runtime.ask("c", {"q": "first"}, conversation="x")
        await runtime.ask("c", {"q": "second"}, conversation="x")
    first, second = (" ".join(texts) for texts in model.seen)
    assert "So far: <>" in first
    assert "Earlier output: one>" in second
    assert second.count("Earlier output: one") == 1


async def test_a_users_own_input_named_history_wins():
    model = SuiteModel("one", "two")

    def make() -> Any:
        return crew_of(task(clerk(model), description="So far: <{history}>"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        for _ in range(2):
            await runtime.ask("c", {"history": "mine"}, conversation="x")
    assert "So far: <mine>" in " ".join(model.seen[1])


@pytest.mark.promise(id="SEM-964")
async def test_a_run_that_fails_leaves_nothing_in_the_conversation():
    model = SuiteModel("half", RuntimeError("broken"), "whole", "end")

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one"), task(who, "two"))

    async with running(CrewAIAgent("c", crew=make)) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("c", {}, conversation="x")
        await runtime.ask("c", {}, conversation="x")
    assert "Earlier" not in " ".join(model.seen[2])


def test_the_oldest_runs_are_dropped_and_the_newest_is_always_kept():
    history: Any = None
    for number in range(30):
        history = with_run(history, {"n": number}, f"output {number}")
    assert [run["inputs"]["n"] for run in history] == list(range(10, 30))
    history = with_run(history, {}, "x" * 50_000)
    assert len(history) == 1
    assert len(as_text(history)) > 50_000


@pytest.mark.promise(id="SEM-1569")
async def test_civitas_state_shows_what_was_said():
    store = InMemoryStateStore()
    agent = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(SuiteModel("otters swim")))))
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("c", {"topic": "otters"}, conversation="x")
    assert await transcript(store, "c", "x") == [
        'user: {"topic": "otters"}',
        "assistant: otters swim",
    ]


@pytest.mark.promise(id="SEM-1572")
async def test_a_long_conversation_keeps_its_newest_runs():
    store, model = InMemoryStateStore(), SuiteModel("one", "two", "three")
    agent = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model))))
    root = Supervisor("root", children=[agent])
    async with Runtime(root, state_store=store, conversations=Retention(longest=2)) as runtime:
        for topic in ("a", "b", "c"):
            await runtime.ask("c", {"topic": topic}, conversation="x")
    assert (await transcript(store, "c", "x"))[1::2] == ["assistant: two", "assistant: three"]


@pytest.mark.promise(id="SEM-1568")
async def test_a_conversation_that_a_newer_version_kept_is_refused_and_left_alone():
    store, model = InMemoryStateStore(), SuiteModel("one", "two")
    agent = CrewAIAgent("c", crew=lambda: crew_of(task(clerk(model))))
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("c", {}, conversation="x")
        record = await Record.load(store, key_of("c", "x"))
        record.history = [{**record.history[0], "mood": "fine"}]
        await record.keep(store, key_of("c", "x"))
        with pytest.raises(HandlerFailed, match="a newer civitas-crewai kept this conversation"):
            await runtime.ask("c", {}, conversation="x")
    assert (await Record.load(store, key_of("c", "x"))).history == record.history


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1599")
async def test_a_conversation_that_another_process_wrote_meanwhile_is_not_written_over(
    durable, tmp_path
):
    entered, go_on = threading.Event(), threading.Event()

    @tool("look")
    def look(q: str) -> str:
        """Look it up."""
        entered.set()
        go_on.wait(10)
        return "found"

    models = [SuiteModel(ToolCall("look", {"q": "x"}), "slow"), SuiteModel("quick", "last")]
    stores = [SQLiteStateStore(tmp_path / "civitas.db") for _ in range(2)]
    agents = [
        CrewAIAgent("c", crew=partial(_crew, model, look), durable=durable) for model in models
    ]
    async with (
        Runtime(Supervisor("root", children=[agents[0]]), state_store=stores[0]) as slow,
        Runtime(Supervisor("root", children=[agents[1]]), state_store=stores[1]) as quick,
    ):
        asking = asyncio.create_task(slow.ask("c", {}, conversation="x"))
        await asyncio.to_thread(entered.wait, 10)
        await quick.ask("c", {}, conversation="x")
        go_on.set()
        with pytest.raises(HandlerFailed, match="at the same time"):
            await asking
        await quick.ask("c", {}, conversation="x")
    for store in stores:
        await store.close()
    said = " ".join(models[1].seen[-1])
    assert said.count("Earlier output: quick") == said.count("Earlier output:") == 1


def _crew(model: SuiteModel, *tools: Any) -> Any:
    return crew_of(task(clerk(model, tools=list(tools))))

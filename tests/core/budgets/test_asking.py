"""A budget that is used up, and a human who raises it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    BudgetExceeded,
    InMemoryStateStore,
    Message,
    ModelResponse,
    PayloadError,
    Runtime,
    SQLiteStateStore,
    StateStore,
    Supervisor,
)
from civitas.frameworks.conversations import forget, key_of
from civitas.testing import ScriptedModel


class Writer(AgentProcess):
    """Calls its model for each chapter, once."""

    async def handle(self, message: Message) -> Message | None:
        if message.type == "resume":
            return self.reply("nothing was asked")
        for chapter in range(message.payload):
            await self.step(f"chapter {chapter}", self.write)
        return self.reply("done")

    async def write(self) -> None:
        assert self.llm is not None
        await self.llm.chat("m", [])


def system(
    model: ScriptedModel, store: StateStore | None = None, *, per: str = "all", **keywords: Any
) -> Runtime:
    budget = {"calls": 3, "per": per}
    writer = Writer("writer", budget=budget, budget_exceeded="ask", **keywords)
    tree = Supervisor("root", [writer], max_restarts=0)
    return Runtime(tree, model_provider=model, state_store=store)


async def resumed(runtime: Runtime, asked: Message) -> Any:
    """What is answered to one more `true`."""
    more = {"value": True}
    return (await runtime.ask("writer", more, "resume", conversation=asked.conversation)).payload


def answer() -> ScriptedModel:
    return ScriptedModel([ModelResponse("a")], repeat=True)


@pytest.mark.promise(id="SEM-1916")
@pytest.mark.parametrize("keywords", [{}, {"delivery": "durable"}, {"per": "message"}])
async def test_a_human_raises_a_budget_and_the_run_goes_on_where_it_stopped(keywords: Any) -> None:
    model = answer()
    async with system(model, **keywords) as runtime:
        asked = await runtime.ask("writer", 5)
        assert asked.type == "interrupt"
        (question,) = asked.payload["interrupts"]
        told = question["value"]
        assert (told["what"], told["limit"], told["used"]) == ("calls", 3, 3)
        more = {"value": {"raise": {"calls": 1}}}
        again = await runtime.ask("writer", more, "resume", conversation=asked.conversation)
        assert (again.type, len(model.calls)) == ("interrupt", 4)
        done = await runtime.ask(
            "writer", {"value": True}, "resume", conversation=asked.conversation
        )
        assert (done.type, done.payload, len(model.calls)) == ("reply", "done", 5)
        assert await resumed(runtime, asked) == "nothing was asked"


@pytest.mark.promise(id="SEM-1698")
async def test_a_kill_at_the_end_of_a_run_whose_budget_was_raised_leaves_no_question() -> None:
    ending = asyncio.Event()

    class Held(InMemoryStateStore):
        async def delete(self, key: str) -> None:
            if key.startswith("civitas:suspended:") and not ending.is_set():
                ending.set()
                await asyncio.Event().wait()
            await super().delete(key)

    async with system(answer(), Held(), delivery="durable", shutdown_timeout=0) as runtime:
        asked = await runtime.ask("writer", 5)
        assert await resumed(runtime, asked) == "done"
        await ending.wait()
        await runtime.restart("writer")
        assert await resumed(runtime, asked) == "nothing was asked"


@pytest.mark.promise(id="SEM-1916")
async def test_a_human_may_end_the_run_instead() -> None:
    model, store = answer(), InMemoryStateStore()
    async with system(model, store) as runtime:
        asked = await runtime.ask("writer", 5)
        with pytest.raises(BudgetExceeded, match="3 calls, 3 calls are used"):
            await runtime.ask("writer", {"value": False}, "resume", conversation=asked.conversation)
        assert len(model.calls) == 3
        assert await resumed(runtime, asked) == "nothing was asked"
        assert len(model.calls) == 3
    assert await store.keys("civitas:s") == []


@pytest.mark.promise(id="SEM-1916")
@pytest.mark.parametrize("keywords", [{}, {"delivery": "durable"}, {"per": "conversation"}])
async def test_a_new_message_in_the_conversation_drops_the_question(keywords: Any) -> None:
    model, store = answer(), InMemoryStateStore()
    async with system(model, store, **keywords) as runtime:
        asked = await runtime.ask("writer", 5, conversation="c")
        await runtime.raise_budget(asked.payload["interrupts"][0]["value"]["key"], {"calls": 9})
        assert (await runtime.ask("writer", 1, conversation="c")).payload == "done"
        assert await resumed(runtime, asked) == "nothing was asked"
        assert len(model.calls) == 4
    assert await store.keys("civitas:s") == []


@pytest.mark.promise(id="SEM-1916")
@pytest.mark.parametrize("ends", [("resume", {"value": False}), ("message", 0)])
async def test_the_budget_of_a_message_whose_run_is_dropped_is_over(ends: tuple[str, Any]) -> None:
    type, payload = ends
    async with system(answer(), per="message") as runtime:
        asked = await runtime.ask("writer", 5)
        assert len(await runtime.budgets()) == 1
        with suppress(BudgetExceeded):
            await runtime.ask("writer", payload, type, conversation=asked.conversation)
        assert await runtime.budgets() == []


async def test_the_question_is_forgotten_with_its_conversation() -> None:
    store = InMemoryStateStore()
    async with system(answer(), store) as runtime:
        asked = await runtime.ask("writer", 5, conversation="c")
        await forget(store, key_of("writer", "c"))
        assert await resumed(runtime, asked) == "nothing was asked"


@pytest.mark.promise(id="SEM-1916")
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("more", "the answer must be true"),
        ({"raise": {"usd": 1}}, "does not limit 'usd'"),
        ({"raise": 3}, "give a dict such as"),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays_open(
    value: Any, problem: str
) -> None:
    model = answer()
    async with system(model) as runtime:
        asked = await runtime.ask("writer", 4)
        with pytest.raises((PayloadError, Exception), match=problem):
            await runtime.ask("writer", {"value": value}, "resume", conversation=asked.conversation)
        done = await runtime.ask(
            "writer", {"value": True}, "resume", conversation=asked.conversation
        )
        assert (done.payload, len(model.calls)) == ("done", 4)


@pytest.mark.promise(id="SEM-1916")
async def test_the_question_is_open_after_a_restart_of_the_system(tmp_path: Path) -> None:
    model = answer()
    store = SQLiteStateStore(tmp_path / "state.db")

    def made() -> Runtime:
        writer = Writer("writer", delivery="durable")
        root = Supervisor("root", [writer], budget={"calls": 3}, budget_exceeded="ask")
        return Runtime(root, model_provider=model, state_store=store)

    async with made() as runtime:
        asked = await runtime.ask("writer", 5)
    async with made() as runtime:
        done = await runtime.ask(
            "writer", {"value": True}, "resume", conversation=asked.conversation
        )
        assert (done.payload, len(model.calls)) == ("done", 5)
    assert [each for each in await store.keys("civitas:s") if "budget" in each] == []
    await store.close()

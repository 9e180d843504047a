"""Budgets that outlive the program."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    BudgetExceeded,
    Message,
    ModelResponse,
    Runtime,
    SQLiteStateStore,
    StateStore,
    Supervisor,
)
from civitas.budgets import Amounts, Claim
from civitas.budgets.treasury import BUDGETS, Treasury
from tests.core.budgets import program
from tests.house.project import ROOT


class Caller(AgentProcess):
    """Calls its model as often as a message says."""

    async def handle(self, message: Message) -> Message | None:
        assert self.llm is not None
        for _ in range(message.payload):
            await self.llm.chat("m", [])
        return self.reply(None)


class Looking:
    """A model that looks, in each call, at what the store has of the budget."""

    def __init__(self, store: SQLiteStateStore) -> None:
        self._store = store
        self.kept: list[float] = []

    async def chat(self, model: str, *_: Any) -> ModelResponse:
        saved = await self._store.get(f"{BUDGETS}agent:caller")
        assert saved is not None
        self.kept.append(saved["spent"]["calls"])
        return ModelResponse("a")


def system(store: SQLiteStateStore, model: Looking, calls: int) -> Runtime:
    tree = Supervisor("root", [Caller("caller", budget={"calls": calls})])
    return Runtime(tree, state_store=store, model_provider=model)


@pytest.mark.promise(id="SEM-1915")
async def test_a_budget_goes_on_after_a_restart_of_the_system(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    model = Looking(store)
    async with system(store, model, 3) as runtime:
        await runtime.ask("caller", 2)
        await runtime.raise_budget("agent:caller", {"calls": 1})
    async with system(store, model, 3) as runtime:
        with pytest.raises(BudgetExceeded, match="4 calls, 4 calls are used"):
            await runtime.ask("caller", 5)
    await store.close()
    assert len(model.kept) == 4


@pytest.mark.promise(id="SEM-1915")
async def test_the_store_has_each_call_before_it_is_made(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    model = Looking(store)
    async with system(store, model, 100) as runtime:
        for calls in (1, 30, 2):
            await runtime.ask("caller", calls)
    async with system(store, model, 100) as runtime:
        assert (await runtime.budgets())[0]["used"] == {"calls": 33}
    await store.close()
    assert all(kept >= number for number, kept in enumerate(model.kept, start=1))
    # Some are reserved ahead, so that not each waits for the store.
    assert len(set(model.kept)) < 20


class Root:
    """Has a store."""

    def __init__(self, store: StateStore) -> None:
        self.store: StateStore = store


async def treasury(store: SQLiteStateStore, key: str) -> tuple[Treasury, list[Claim]]:
    """One that may hold three budgets, of each of ten of which a call was lent."""
    found = Treasury(Root(store), asyncio.ensure_future, most=3)
    claims = [Claim(f"{key}{n}", f"{n}", Amounts(9, 9, 9, 9)) for n in range(10)]
    for each in claims:
        assert await found.lease(each, Amounts(1), Amounts(1)) == Amounts(1)
    return found, claims


@pytest.mark.promise(id="SEM-1915")
async def test_the_budgets_of_many_conversations_are_held_in_the_store_alone(
    tmp_path: Path,
) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    found, claims = await treasury(store, "agent:a/conversation:")
    assert found.claims() == claims[-3:]
    found.give_back(claims[1], Amounts(1), over=False)
    used = [(await found.state(each))["used"]["calls"] for each in claims]
    assert used == [1, 0, *[1] * 8]
    assert len(found.claims()) == 3
    await store.close()


class Stuck(SQLiteStateStore):
    """A store that comes to no end of writing."""

    writing = False

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        self.writing = True
        await asyncio.Event().wait()


@pytest.mark.promise(id="SEM-1915")
async def test_what_is_given_back_while_a_loan_is_not_written_is_not_lost(
    tmp_path: Path,
) -> None:
    store, stuck = SQLiteStateStore(tmp_path / "state.db"), Stuck(tmp_path / "state.db")
    root = Root(store)
    found, claim = Treasury(root, asyncio.ensure_future), Claim("k", "k", Amounts(9, 9, 9, 9))
    assert await found.lease(claim, Amounts(5), Amounts(5)) == Amounts(5)
    root.store = stuck
    leasing = asyncio.ensure_future(found.lease(claim, Amounts(1), Amounts(1)))
    while not stuck.writing:
        await asyncio.sleep(0)
    root.store = store
    found.give_back(claim, Amounts(3), over=False)
    leasing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leasing
    assert (await found.state(claim))["used"] == Amounts(2)._asdict()
    await store.close()
    await stuck.close()


async def test_the_budgets_of_the_last_runs_are_kept(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    found, claims = await treasury(store, "run:")
    assert found.claims() == claims[-3:]
    while len(await store.keys(BUDGETS)) > 3:
        await asyncio.sleep(0)
    await store.close()


@pytest.mark.promise(id="SEM-1915")
def test_a_program_that_is_killed_in_its_calls_makes_as_many_as_its_budget_has(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    for expected in (-signal.SIGKILL, -signal.SIGKILL, 0):
        done = subprocess.run(
            [sys.executable, program.__file__, tmp_path / "state.db", "3", "7"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        told += done.stdout.splitlines()
    assert told == [*(f"call {n}" for n in range(1, program.LIMIT + 1)), "BudgetExceeded 10"]

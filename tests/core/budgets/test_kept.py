"""Budgets that outlive the program."""

from __future__ import annotations

import signal
import subprocess
import sys
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
    Supervisor,
)
from civitas.budgets.treasury import BUDGETS
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

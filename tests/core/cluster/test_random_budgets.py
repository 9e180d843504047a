"""A root and two members that spend from one budget, with random crashes, deaths and messages nobody waits for.

`make test-deep` looks at 3,000 runs, and with `CIVITAS_WORLDS=200` and a limit of its own (`--timeout 1800`) at 10,000;
`CIVITAS_SEED=n` repeats one, whose number a failure prints.
"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    BudgetExceeded,
    CivitasError,
    Message,
    ModelResponse,
    SQLiteStateStore,
)
from civitas.testing import MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.deep import DEEP

SEED = int(os.environ.get("CIVITAS_SEED") or (random.randrange(2**32) if DEEP else 1))
WORLDS = int(os.environ.get("CIVITAS_WORLDS") or (60 if DEEP else 2))
RUNS = 50 if DEEP else 25


class Worker(AgentProcess):
    """Makes a few calls, each once for a message; at some it crashes, before, in or after."""

    async def handle(self, message: Message) -> Message | None:
        for number, crash in enumerate(message.payload):
            await self.step(f"call {number}", self.call, crash if not message.attempt else "")
        return self.reply(None)

    async def call(self, crash: str) -> None:
        assert self.llm is not None
        if crash == "before":
            raise RuntimeError(crash)
        await self.llm.chat("m", [{"role": "user", "content": crash}])
        if crash == "after":
            raise RuntimeError(crash)


class Model:
    """Counts its calls; one may fail, or never end."""

    def __init__(self) -> None:
        self.calls = 0

    async def chat(self, model: str, messages: Any, tools: Any = None) -> ModelResponse:
        self.calls += 1
        match messages[0]["content"]:
            case "in":
                raise ConnectionError("in")
            case "hang":
                await asyncio.sleep(0.02)
        await asyncio.sleep(0)
        return ModelResponse("a", "m", 5, 5)


class World:
    """One system, and the model that counts what its agents really called."""

    def __init__(self, chance: random.Random, store: Any) -> None:
        self.chance = chance
        self.model = Model()
        self.limit = chance.choice([3, 20, 60, 300])
        self._store = store

    def nodes(self) -> Nodes:
        agents = {"one": {"a": Worker, "b": Worker}, "two": {"c": Worker}}
        keywords = {"delivery": "at_least_once", "cancel_on_timeout": True, "shutdown_timeout": 0}
        # A member that died here is stopped as if it were alive: nothing is to wait for what it left undone.
        given = {"model_provider": self.model, "state_store": self._store, "drain_timeout": 0.05}
        return Nodes(
            MemoryNetwork().transport,
            agents,
            Worker("here", **keywords),  # type: ignore[arg-type]
            keywords=keywords,
            given=given,
            budget={"calls": self.limit},
        )

    async def ask(self, nodes: Nodes) -> None:
        crash = ["", "", "", "before", "in", "after", "hang"]
        calls = [self.chance.choice(crash) for _ in range(self.chance.randint(1, 5))]
        timeout = self.chance.choice([20, 20, 0.01])
        with suppress(CivitasError):
            await nodes.runtime.ask(self.chance.choice("abc"), calls, timeout=timeout)


@pytest.mark.promise(id="SEM-1915")
async def test_no_crash_lets_a_call_be_made_that_the_budget_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A member that died here waits for a root that does not answer it.
    monkeypatch.setattr("civitas.node.node._LAST_RECORDS", 0.01)
    chance = random.Random(SEED)
    for world_number in range(WORLDS):
        store = SQLiteStateStore(tmp_path / f"{world_number}.db")
        world = World(chance, store)
        for runs in (RUNS // 2, RUNS - RUNS // 2):  # the second half after a restart of the root
            async with world.nodes() as nodes:
                await _spend(world, nodes, runs)
                state = next(each for each in await nodes.runtime.budgets() if "top" in each["key"])
                made = world.model.calls
                assert made <= state["used"]["calls"] <= world.limit, (SEED, state, made)
        async with world.nodes() as nodes:
            with pytest.raises(BudgetExceeded):
                await nodes.runtime.ask("here", [""] * (world.limit + 1), timeout=60)
        assert world.model.calls <= world.limit, (SEED, world_number)
        await store.close()


async def _spend(world: World, nodes: Nodes, runs: int) -> None:
    asks = [asyncio.create_task(world.ask(nodes)) for _ in range(runs)]
    if world.chance.random() < 0.5:
        for _ in range(world.chance.randrange(300)):
            await asyncio.sleep(0)
        await nodes.lose("one")
        await nodes.join("one")
    await asyncio.gather(*asks)

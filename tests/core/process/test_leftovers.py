"""What was recorded for a message goes with it, however it ends."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from civitas.errors import AskTimeout
from civitas.message import Message, new_id
from civitas.process import AgentProcess
from civitas.process.steps import STEPS
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas.supervision import Supervisor


class Stepper(AgentProcess):
    """Records a step, and then hangs or crashes."""

    def __init__(self, name: str, stepped: asyncio.Event, **options: Any) -> None:
        super().__init__(name, **options)
        self.stepped = stepped

    async def handle(self, message: Message) -> None:
        await self.step("work", lambda: 1)
        self.stepped.set()
        if message.payload == "crash":
            raise ValueError("crashes")
        await asyncio.Event().wait()


@pytest.mark.promise(id="SEM-1139")
@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
@pytest.mark.parametrize("end", ["stopped", "crash"])
async def test_the_records_of_a_message_that_is_given_up_go_with_it(delivery, end):
    """It was in hand when its agent was stopped, or waited for an incarnation that never came."""
    store, stepped = InMemoryStateStore(), asyncio.Event()
    agent = Stepper("a", stepped, delivery=delivery, restart="temporary", shutdown_timeout=0)
    runtime = Runtime(Supervisor("root", [agent]), state_store=store, drain_timeout=0)
    async with runtime:
        letters: list[Any] = []
        runtime.on("dead_letter", letters.append)
        await runtime.send("a", end)
        await stepped.wait()
        if end == "stopped":
            assert await store.keys(STEPS)
    assert await store.keys(STEPS) == []
    assert len(letters) == 1


@pytest.mark.promise(id="SEM-1642")
@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_so_they_do_where_its_asker_leaves_while_it_waits_for_the_next_incarnation(how):
    store = InMemoryStateStore()
    agent = Stepper("a", asyncio.Event(), delivery="at_least_once", cancel_on_timeout=True)
    supervisor = Supervisor("root", [agent], backoff="constant", backoff_base=60)
    async with Runtime(supervisor, state_store=store) as runtime:
        crashed, letters = asyncio.Event(), list[Any]()
        runtime.on("crashed", lambda event: crashed.set())
        runtime.on("dead_letter", letters.append)
        asking = asyncio.create_task(
            runtime.ask("a", "crash", timeout=0.3 if how == "expired" else 30)
        )
        await crashed.wait()
        assert await store.keys(STEPS)
        if how == "cancelled":
            asking.cancel()
        with pytest.raises((asyncio.CancelledError, AskTimeout)):
            await asking
    assert await store.keys(STEPS) == []
    assert len(letters) == 1


@pytest.mark.promise(id="SEM-1139")
async def test_what_a_root_left_that_was_killed_goes_when_the_next_one_starts(tmp_path):
    """That of its own agents; of others only what is too old to be in anybody's hand."""
    store = SQLiteStateStore(tmp_path / "s.db")
    a_week_ago = int((time.time() - 8 * 24 * 3600) * 1000)
    old_id = UUID(int=(a_week_ago << 80) | (7 << 76) | (2 << 62))
    old = f"{STEPS}other/conversation/{old_id}/work"
    mine = f"{STEPS}a/{new_id()}/work"
    thread = f"{STEPS}a/{new_id()}/:thread"
    others = f"{STEPS}other/{new_id()}/work"
    for key in (mine, thread, others, old, "a"):
        await store.set(key, {"result": 1})
    async with Runtime(Supervisor("root", [Stepper("a", asyncio.Event())]), state_store=store):
        assert await store.keys() == ["a", others]
    await store.close()


@pytest.mark.promise(id="SEM-1241")
async def test_another_system_on_the_same_store_leaves_what_this_one_has_in_hand(tmp_path):
    """Though it has agents of the same names, and is started while the message is handled."""
    keys: list[str] = []
    stepped = asyncio.Event()

    def system(name: str) -> Runtime:
        agent = Stepper("a", stepped, shutdown_timeout=0)
        return Runtime(
            Supervisor("root", [agent]),
            name=name,
            state_store=lambda: SQLiteStateStore(tmp_path / "s.db"),
            drain_timeout=0,
        )

    async with system("one") as one:
        await one.send("a", "hang")
        await stepped.wait()
        async with system("other") as other:
            store: Any = other._node.store
            keys = await store.keys(STEPS)
    assert len(keys) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["s.db"]

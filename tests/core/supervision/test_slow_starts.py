"""What a supervisor does for its other children while one is slow to start."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import StartFailed, SupervisionError
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, crash, error_of, status


class Slow(Actor):
    """Waits in every start but the first, until the gate opens."""

    def __init__(self, name: str, journal: Journal, gate: asyncio.Event, **keywords: Any) -> None:
        super().__init__(name, journal, **keywords)
        self.gate = gate

    async def on_start(self) -> None:
        if self.journal.count(f"start {self.name}"):
            self.journal.write(f"slow {self.name}")
            await self.gate.wait()
        await super().on_start()


def running(*children: Any, **keywords: Any) -> Runtime:
    return Runtime(Supervisor("root", children, max_restarts=50, backoff="none", **keywords))


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()


@pytest.mark.promise(id="SEM-1108")
@pytest.mark.parametrize("below", [False, True])
async def test_a_crashed_sibling_is_back_while_another_is_slow_to_start(
    journal: Journal, gate: asyncio.Event, below: bool
) -> None:
    slow = Slow("slow", journal, gate)
    child = Supervisor("low", [slow], max_restarts=0) if below else slow
    async with running(Actor("a", journal), child) as runtime:
        await crash(runtime, "slow")
        await journal.until("slow slow")
        for count in (2, 3):
            await crash(runtime, "a")
            await journal.until("start a", count)
            assert (await runtime.ask("a", 1)).payload == 1
        assert status(runtime, "slow") == "starting"
        waiting = asyncio.create_task(runtime.ask("slow", 2))
        gate.set()
        assert (await waiting).payload == 2
        assert status(runtime, "slow") == "running"


@pytest.mark.promise(id="SEM-1108")
async def test_a_child_that_is_added_slowly_keeps_no_sibling_waiting(
    journal: Journal, gate: asyncio.Event
) -> None:
    journal.write("start slow")
    async with running(Actor("a", journal)) as runtime:
        adding = asyncio.create_task(runtime.start_child("root", Slow("slow", journal, gate)))
        await journal.until("slow slow")
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == 1
        gate.set()
        await adding
        await runtime.terminate_child("root", "slow")
        gate.clear()
        again = asyncio.create_task(runtime.restart_child("root", "slow"))
        await journal.until("slow slow", 2)
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == 1
        gate.set()
        await again
        assert (await runtime.ask("slow", 1)).payload == 1


@pytest.mark.promise(id="SEM-1108")
async def test_the_left_one_of_a_rest_for_one_ends_the_slow_start_and_order_is_kept(
    journal: Journal, gate: asyncio.Event
) -> None:
    children = [Actor("a", journal), Slow("b", journal, gate), Actor("c", journal)]
    async with running(*children, strategy="rest_for_one") as runtime:
        await crash(runtime, "b")
        await journal.until("slow b")
        del journal[:]
        journal.write("start b")
        await crash(runtime, "a")
        await journal.until("slow b")
        assert journal == ["start b", "stop a", "start a", "slow b"]
        gate.set()
        assert (await runtime.ask("c", 1)).payload == 1
        assert journal[-2:] == ["start b", "start c"]


@pytest.mark.promise(id="SEM-1108")
async def test_a_member_that_crashes_while_its_group_starts_begins_the_group_anew(
    journal: Journal, gate: asyncio.Event
) -> None:
    children = [Actor("a", journal), Slow("b", journal, gate), Actor("c", journal)]
    async with running(*children, strategy="one_for_all") as runtime:
        await crash(runtime, "c")
        await journal.until("slow b")
        await crash(runtime, "a")
        await journal.until("slow b", 2)
        assert journal.count("start a") == 3
        assert journal.count("start c") == 1
        gate.set()
        assert (await runtime.ask("c", 1)).payload == 1
        assert journal.count("start c") == 2


@pytest.mark.promise(id="SEM-1108")
async def test_a_child_in_a_slow_restart_is_terminated_and_restarted_by_hand_at_once(
    journal: Journal, gate: asyncio.Event
) -> None:
    async with running(Actor("a", journal), Slow("slow", journal, gate)) as runtime:
        await crash(runtime, "slow")
        await journal.until("slow slow")
        again = asyncio.create_task(runtime.restart("slow"))
        await journal.until("slow slow", 2)
        await asyncio.wait_for(runtime.terminate_child("root", "slow"), 5)
        with pytest.raises(SupervisionError, match="started again"):
            await again
        assert status(runtime, "slow") == "stopped"
        gate.set()
        await runtime.restart_child("root", "slow")
        assert (await runtime.ask("slow", 1)).payload == 1


@pytest.mark.promise(id="SEM-1108")
async def test_calls_about_a_group_that_starts_wait_for_it_in_order(
    journal: Journal, gate: asyncio.Event
) -> None:
    children = [Actor("a", journal), Slow("b", journal, gate)]
    async with running(*children, strategy="one_for_all") as runtime:
        await crash(runtime, "a")
        await journal.until("slow b")
        ending = asyncio.create_task(runtime.terminate_child("root", "b"))
        back = asyncio.create_task(runtime.restart_child("root", "b"))
        await asyncio.sleep(0)
        assert not ending.done()
        gate.set()
        await ending
        await back
        assert (await runtime.ask("b", 1)).payload == 1


@pytest.mark.promise(id="SEM-1108")
async def test_a_stop_ends_slow_restarts_and_answers_who_waits_for_them(
    journal: Journal, gate: asyncio.Event
) -> None:
    runtime = running(Actor("a", journal), Slow("slow", journal, gate), Slow("s2", journal, gate))
    await runtime.start()
    await crash(runtime, "s2")
    restarting = asyncio.create_task(runtime.restart("slow"))
    await journal.until("slow slow")
    await journal.until("slow s2")
    waiting = asyncio.create_task(error_of(runtime.ask("s2", 1)))
    await asyncio.sleep(0)
    runtime.drain_timeout = 0.01
    await asyncio.wait_for(runtime.stop(), 5)
    assert isinstance(await error_of(restarting), SupervisionError)
    assert "AgentTerminated" in type(await waiting).__name__


@pytest.mark.promise(id="SEM-1108")
async def test_a_give_up_ends_the_slow_start_of_a_sibling(
    journal: Journal, gate: asyncio.Event
) -> None:
    low = Supervisor(
        "low", [Actor("a", journal), Slow("slow", journal, gate)], max_restarts=1, backoff="none"
    )
    async with running(low) as runtime:
        await crash(runtime, "slow")
        await journal.until("slow slow")
        await crash(runtime, "a")
        await journal.until("slow slow", 2)  # with its supervisor, from the start
        gate.set()
        assert (await runtime.ask("a", 1)).payload == 1
        assert (await runtime.ask("slow", 1)).payload == 1


@pytest.mark.promise(id="SEM-1108")
async def test_a_restart_by_hand_that_fails_is_told_and_tried_again(journal: Journal) -> None:
    class Once(Actor):
        async def on_start(self) -> None:
            if self.journal.count("start once") == 1:
                self.journal.write("start once")
                raise ValueError("not now")
            await super().on_start()

    async with running(Once("once", journal)) as runtime:
        with pytest.raises(StartFailed, match="not now"):
            await runtime.restart("once")
        assert (await runtime.ask("once", 1)).payload == 1

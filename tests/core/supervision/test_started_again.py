"""Supervisors that are started again, and a clock that breaks."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest

from civitas.errors import AgentTerminated, HandlerFailed, SupervisorGaveUp
from civitas.message import Message
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.testing import ManualClock
from tests.core.supervision.cast import Fused, waiting
from tests.core.support import (
    Actor,
    Journal,
    StartsBadly,
    crash,
    error_of,
    eventually,
    status,
)

# Supervisors that are started again.


@pytest.mark.promise(id="SEM-421")
async def test_a_supervisor_that_does_not_start_again_at_once_keeps_its_messages(
    journal: Journal,
) -> None:
    clock = ManualClock()
    inner = Supervisor("inner", [StartsBadly("a", journal, 2)], max_restarts=0)
    async with Runtime(Supervisor("root", [inner], **waiting(1)), clock=clock) as runtime:
        await crash(runtime, "a")
        await clock.timers()
        asking = asyncio.create_task(runtime.ask("a", "waited"))
        await asyncio.sleep(0)
        clock.advance(1)
        await journal.until("try a", 2)
        await clock.timers()
        clock.advance(1)
        assert (await asking).payload == "waited"


@pytest.mark.promise(id="SEM-421")
async def test_a_supervisor_is_started_again_while_it_restarts_a_child(journal: Journal) -> None:
    inner = Supervisor("inner", [Actor("a", journal), Actor("b", journal)], **waiting())
    root = Supervisor("root", [inner, Actor("c", journal)], strategy="one_for_all", backoff="none")
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "a") == "restarting")
        asking = asyncio.create_task(runtime.ask("a", "waited"))
        await asyncio.sleep(0)
        await crash(runtime, "c")
        assert (await asking).payload == "waited"
        assert (await runtime.ask("c", 1)).payload == 1
        assert journal.count("start a") == journal.count("start b") == 2


async def test_who_waits_for_a_child_that_its_supervisor_starts_without_is_told(
    journal: Journal,
) -> None:
    clock = ManualClock()
    inner = Supervisor("inner", [Actor("a", journal)], max_restarts=0)
    async with Runtime(Supervisor("root", [inner], **waiting(1)), clock=clock) as runtime:
        await runtime.start_child("inner", Actor("added", journal))
        await crash(runtime, "a")
        await clock.timers()
        asking = asyncio.create_task(error_of(runtime.ask("added", 1)))
        await asyncio.sleep(0)
        clock.advance(1)
        assert isinstance(await asking, AgentTerminated)
        assert [child["name"] for child in runtime.which_children("inner")] == ["a"]


@pytest.mark.promise(id="SEM-420")
async def test_a_deleted_child_comes_back_with_its_supervisor_and_its_replacement_goes(
    journal: Journal,
) -> None:
    inner = Supervisor("inner", [Actor("a", journal), Actor("b", journal)], max_restarts=0)
    async with Runtime(Supervisor("root", [inner], backoff="none")) as runtime:
        await runtime.terminate_child("inner", "a")
        await runtime.delete_child("inner", "a")
        other = Journal()
        await runtime.start_child("inner", Actor("a", other))
        await crash(runtime, "b")
        await journal.until("start b", 2)
        assert (await runtime.ask("a", 1)).payload == 1
        assert [child["name"] for child in runtime.which_children("inner")] == ["a", "b"]
        assert (journal.count("start a"), other) == (2, ["start a", "stop a"])


async def test_a_name_that_another_took_meanwhile_is_a_failed_start(journal: Journal) -> None:
    children = [Actor("a", journal), Actor("t", journal, restart="temporary")]
    inner = Supervisor("inner", children, max_restarts=0)
    runtime = Runtime(Supervisor("root", [inner], backoff="none"))
    await runtime.start()
    await runtime.terminate_child("inner", "t")
    await runtime.start_child("root", Actor("t", journal))
    await crash(runtime, "a")
    with pytest.raises(SupervisorGaveUp, match="the name 't' is taken"):
        await runtime.wait()
    await runtime.stop()


async def test_agents_that_come_back_with_their_supervisor_count_as_restarted(
    journal: Journal,
) -> None:
    inner = Supervisor("inner", [Actor("a", journal), Actor("b", journal)], max_restarts=0)
    runtime = Runtime(Supervisor("root", [inner], backoff="none"))
    told: list[str] = []
    runtime.on("restarted", lambda event: told.append(event.name))
    async with runtime:
        await crash(runtime, "a")
        assert (await runtime.ask("b", 1)).payload == 1
        await eventually(lambda: told == ["a", "b", "inner"])
        agents = runtime.tree()["children"][0]["children"]
        assert [agent["restarts"] for agent in agents] == [1, 1]


# A clock that breaks.


@pytest.mark.promise(id="SEM-422")
async def test_a_fault_inside_a_supervisor_is_a_crash_for_its_own_supervisor(
    journal: Journal,
) -> None:
    class Broken(ManualClock):
        def call_later(self, delay: float, function: Any) -> Any:
            if delay == 13:
                raise RuntimeError("the clock is broken")
            return super().call_later(delay, function)

    clock = Broken()
    inner = Supervisor("inner", [Actor("a", journal)], **waiting(13))
    runtime = Runtime(Supervisor("root", [inner], backoff="none", max_restarts=1), clock=clock)
    await runtime.start()
    await crash(runtime, "a")
    await journal.until("start a", 2)
    assert (await runtime.ask("a", 1)).payload == 1
    await crash(runtime, "a")
    with pytest.raises(SupervisorGaveUp, match="the clock is broken"):
        await runtime.wait()
    await runtime.stop()


class Relay(Actor):
    """Asks whom its payload names, and fails with it."""

    async def handle(self, message: Message) -> Message | None:
        self.journal.write(f"relay {self.name}")
        await self.ask(message.payload, 1, "boom")
        return None


async def test_a_child_that_waits_for_one_that_is_given_up_is_not_waited_for(
    journal: Journal,
) -> None:
    fuse = asyncio.Event()
    children = [
        Fused("a", journal, fuse, delivery="at_least_once"),
        Relay("b", journal),
    ]
    async with Runtime(Supervisor("root", children, max_restarts=0)) as runtime:
        asks = [asyncio.create_task(error_of(runtime.ask("a", 1, "boom")))]
        await journal.until("ready a")
        asks.append(asyncio.create_task(error_of(runtime.ask("b", "a"))))
        await journal.until("relay b")
        fuse.set()
        async with asyncio.timeout(5):
            for error in await asyncio.gather(*asks):
                assert isinstance(error, AgentTerminated)
            with pytest.raises(SupervisorGaveUp):
                await runtime.wait()


class Moody(Actor):
    """Its class raises when it is made for the second time."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__(name, journal)
        journal.write("made")
        if journal.count("made") == 2:
            raise OSError("not now")


async def test_an_agent_whose_class_raises_is_tried_again(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Moody("a", journal)], backoff="none")) as runtime:
        await crash(runtime, "a")
        assert (await runtime.ask("a", 1)).payload == 1
        assert journal.count("made") == 3


class Turning(Actor):
    """Takes some turns of the event loop to start again, in which it does nothing."""

    def __init__(self, name: str, journal: Journal, turns: int) -> None:
        super().__init__(name, journal)
        self.turns = turns

    async def on_start(self) -> None:
        again = f"start {self.name}" in self.journal
        await super().on_start()
        for _ in range(self.turns if again else 0):
            await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(3, 9))
async def test_an_agent_that_starts_while_its_supervisor_ends_is_said_to_have_once(
    journal: Journal, turns: int
) -> None:
    slow, quick = Turning("slow", journal, 100), Turning("quick", journal, turns)
    inner = Supervisor("inner", [slow, quick], backoff="none")
    async with Runtime(Supervisor("root", [inner])) as runtime:
        for name in ("slow", "quick"):
            await runtime.send(name, 1, "crash")
        for _ in range(6):
            await asyncio.sleep(0)
        await runtime.terminate_child("root", "inner")
        told = [(event.type, event.name) for event in runtime.timeline()]
        assert ("crashed", "quick") in told
        assert told.count(("restarted", "quick")) <= 1


async def test_a_crash_leaves_nothing_to_the_garbage_collector(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)], backoff="none")) as runtime:

        async def crash_and_answer() -> None:
            with suppress(HandlerFailed):
                await runtime.ask("a", {}, "crash")
            await runtime.ask("a", 1)

        await crash_and_answer()
        gc.collect()
        gc.disable()
        try:
            await crash_and_answer()
            await runtime.ask("a", 1)  # by now its start has been told as well
            assert gc.collect() == 0
        finally:
            gc.enable()

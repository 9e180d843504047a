"""What an agent that is being stopped is told of those that the same stop has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import CivitasError, StartFailed, SupervisorGaveUp
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, ConversationPool, DynamicSupervisor, Supervisor
from tests.core.support import Actor, Journal, crash


class Leaves(Actor):
    """Asks `to`, reads a stream of it and sends to it when it is stopped; the journal says how that went."""

    def __init__(self, name: str, journal: Journal, to: str = "db", **keywords: Any) -> None:
        super().__init__(name, journal, **keywords)
        self.to = to

    async def on_stop(self) -> None:
        for how in (self.ask, self._read, self.send):
            try:
                await how(self.to, "bye", conversation="c")
                self.journal.write(f"{how.__name__}: done")
            except CivitasError as error:
                self.journal.write(f"{how.__name__}: {type(error).__name__}")

    async def _read(self, to: str, payload: Any, **keywords: Any) -> None:
        async for _ in self.stream(to, payload, **keywords):
            pass


ALL_TOLD = ["ask: AgentTerminated", "_read: AgentTerminated", "send: AgentTerminated"]


def told(journal: Journal) -> list[str]:
    return [entry for entry in journal if ": " in entry]


@pytest.mark.promise(id="SEM-1106")
@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("pool", [False, True])
async def test_a_stop_right_to_left_tells_those_on_the_left(
    journal: Journal, below: bool, pool: bool
) -> None:
    actor = Actor("db", journal)
    db: ChildSpec = ConversationPool("db", actor) if pool else actor
    last: ChildSpec = Supervisor("low", [db]) if below else db
    runtime = Runtime(Supervisor("root", [Leaves("a", journal), last]))
    await runtime.start()
    await runtime.ask("db", 1, conversation="c")
    async with asyncio.timeout(5):
        await runtime.stop()
    assert told(journal) == ALL_TOLD


@pytest.mark.promise(id="SEM-1106")
async def test_who_still_runs_answers_the_last_words_of_another(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("db", journal), Leaves("a", journal)])):
        pass
    assert told(journal) == ["ask: done", "_read: done", "send: done"]


@pytest.mark.promise(id="SEM-1106")
async def test_two_that_are_stopped_at_once_do_not_wait_for_each_other(journal: Journal) -> None:
    both = asyncio.Barrier(2)

    class LeavesTogether(Leaves):
        async def on_stop(self) -> None:
            await both.wait()
            await super().on_stop()

    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        for name, to in (("a", "b"), ("b", "a")):
            await runtime.start_child("sessions", LeavesTogether(name, journal, to))
        async with asyncio.timeout(5):
            await runtime.stop()
    assert "ask: AskCycle" in told(journal)
    assert "ask: AgentTerminated" in told(journal)


@pytest.mark.promise(id="SEM-1106")
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_who_is_stopped_for_a_restart_does_not_wait_for_who_is_down(
    journal: Journal, strategy: str
) -> None:
    children = [Actor("db", journal), Leaves("a", journal), Actor("c", journal)]
    root = Supervisor("root", children, strategy=strategy, backoff="none")
    async with Runtime(root) as runtime, asyncio.timeout(5):
        await crash(runtime, "db")
        assert (await runtime.ask("db", 1)).payload == 1
        # What is only sent waits for the next incarnation.
        assert told(journal) == [*ALL_TOLD[:2], "send: done"]


@pytest.mark.promise(id="SEM-1106")
async def test_a_start_that_fails_is_not_held_up_by_last_words(journal: Journal) -> None:
    class Broken(AgentProcess):
        async def on_start(self) -> None:
            raise ValueError("no")

    children: list[ChildSpec] = [Leaves("a", journal), Actor("db", journal), Broken("broken")]
    with pytest.raises(StartFailed):
        await asyncio.wait_for(Runtime(Supervisor("root", children)).start(), 5)
    assert told(journal)[:2] == ALL_TOLD[:2]


@pytest.mark.promise(id="SEM-1106")
async def test_a_give_up_is_not_held_up_by_last_words(journal: Journal) -> None:
    children = [Leaves("a", journal), Actor("db", journal), Actor("bad", journal)]
    async with Runtime(Supervisor("root", children, max_restarts=0)) as runtime:
        await crash(runtime, "bad")
        with pytest.raises(SupervisorGaveUp):
            await asyncio.wait_for(runtime.wait(), 5)
    assert told(journal) == ALL_TOLD


@pytest.mark.promise(id="SEM-1106")
async def test_a_conversation_is_woken_for_last_words_where_its_pool_runs(journal: Journal) -> None:
    pool = ConversationPool("db", Actor("each", journal))
    async with Runtime(Supervisor("root", [pool, Leaves("a", journal)])):
        pass
    assert told(journal) == ["ask: done", "_read: done", "send: done"]


class Waits(Actor):
    """Asks `to` when it is told, and the journal says how that went."""

    async def handle(self, message: Message) -> Message | None:
        if message.type != "ask":
            return await super().handle(message)
        try:
            await self.ask(message.payload, "sum", "hang", timeout=None)
            self.journal.write("ask: done")
        except CivitasError as error:
            self.journal.write(f"ask: {type(error).__name__}")
        return None


class Hangs(Actor):
    """Hangs on a message until the flag is set, and then crashes; the next incarnation answers."""

    crashes: asyncio.Event

    async def handle(self, message: Message) -> Message | None:
        if message.type == "hang" and message.attempt == 0:
            self.journal.write("hangs")
            await self.crashes.wait()
            raise ValueError("down it goes")
        return self.reply(message.payload)


@pytest.mark.promise(id="SEM-1468")
@pytest.mark.parametrize("kept", [True, False])
async def test_an_ask_that_waits_for_one_that_crashed_ends_when_its_sender_is_stopped_for_that(
    journal: Journal, kept: bool
) -> None:
    Hangs.crashes = asyncio.Event()
    db = Hangs("db", journal, delivery="at_least_once" if kept else "at_most_once")
    root = Supervisor("root", [db, Waits("a", journal)], strategy="rest_for_one", backoff="none")
    async with Runtime(root) as runtime, asyncio.timeout(5):
        dead = []
        runtime.on("dead_letter", lambda event: dead.append((event.name, event.reason)))
        await runtime.send("a", "db", "ask")
        await journal.until("hangs")
        Hangs.crashes.set()
        await journal.until(f"ask: {'AgentTerminated' if kept else 'HandlerFailed'}")
        assert (await runtime.ask("db", 1)).payload == 1
        assert (await runtime.ask("a", 1)).payload == 1
    assert dead == [("db", "no_reader" if kept else "crashed")]

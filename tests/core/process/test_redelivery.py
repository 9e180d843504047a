"""State that survives a crash, and messages that are delivered again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import (
    HandlerFailed,
    SupervisorGaveUp,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, StartsBadly, crash


def alone(agent: AgentProcess, **keywords: Any) -> Runtime:
    return Runtime(
        Supervisor("root", [agent], backoff="none", max_restarts=10),
        **{"drain_timeout": 5, **keywords},
    )


@pytest.mark.promise(id="SEM-301")
async def test_state_survives_a_crash_as_it_was_checkpointed() -> None:
    class Counter(AgentProcess):
        async def on_start(self) -> None:
            self.state.setdefault("n", 0)

        async def handle(self, message: Message) -> Message:
            self.state["n"] += 1
            if message.type == "save":
                await self.checkpoint()
            if message.type == "crash":
                raise ValueError
            return self.reply(self.state["n"])

    store = InMemoryStateStore()
    async with alone(Counter("a"), state_store=store) as runtime:
        await runtime.ask("a", 0, "save")
        await runtime.ask("a", 0)
        await crash(runtime, "a")
        assert (await runtime.ask("a", 0)).payload == 2
    assert await store.get("a") == {"n": 1}


@pytest.mark.promise(id="SEM-311")
async def test_at_least_once_hands_the_message_and_the_queue_to_the_next_incarnation_in_order(
    journal: Journal,
) -> None:
    class CrashesOnce(Actor):
        async def handle(self, message: Message) -> Message | None:
            self.journal.write(f"{message.payload} attempt {message.attempt}")
            if message.payload == 1 and message.attempt == 0:
                raise ValueError("once")
            return self.reply(message.payload)

    async with alone(CrashesOnce("a", journal, delivery="at_least_once")) as runtime:
        answers = await asyncio.gather(*(runtime.ask("a", n) for n in range(4)))
        assert [answer.payload for answer in answers] == [0, 1, 2, 3]
        handled = [entry for entry in journal if "attempt" in entry]
        assert handled == [
            *("0 attempt 0", "1 attempt 0", "1 attempt 1", "2 attempt 0", "3 attempt 0"),
        ]


@pytest.mark.promise(id="SEM-312")
@pytest.mark.promise(id="SEM-323")
async def test_after_max_deliveries_a_message_is_a_dead_letter_and_the_next_one_goes_on(
    journal: Journal,
) -> None:
    async with alone(Actor("a", journal, delivery="at_least_once", max_deliveries=3)) as runtime:
        letters: list[str] = []
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        crashing, fine = await asyncio.gather(crash(runtime, "a"), runtime.ask("a", 1))
        assert isinstance(crashing, HandlerFailed)
        assert fine.payload == 1
        assert letters == ["max_deliveries"]
        assert journal.count("start a") == 4


@pytest.mark.promise(id="SEM-1086")
@pytest.mark.promise(id="SEM-1641")
async def test_messages_that_crash_their_agent_at_each_delivery_use_up_no_restarts(
    journal: Journal,
) -> None:
    agents = [Actor("a", journal, delivery="at_least_once"), Actor("b", journal)]
    async with Runtime(Supervisor("root", agents, backoff="none", max_restarts=1)) as runtime:
        for _ in range(3):
            await crash(runtime, "a")
            assert (await runtime.ask("a", 1)).payload == 1
            assert (await runtime.ask("b", 1)).payload == 1
        assert journal.count("start a") == 10
        await crash(runtime, "b")
        assert (await runtime.ask("b", 1)).payload == 1
        await crash(runtime, "b")
        with pytest.raises(SupervisorGaveUp):  # what comes once counts, as in OTP
            await runtime.wait()


@pytest.mark.promise(id="SEM-1641")
async def test_a_start_that_fails_after_such_a_crash_counts(journal: Journal) -> None:
    agent = StartsBadly("a", journal, 2, 3, delivery="at_least_once")
    supervisor = Supervisor("root", [agent], backoff="none", max_restarts=1)
    async with Runtime(supervisor) as runtime:
        await crash(runtime, "a")
        with pytest.raises(SupervisorGaveUp):
            await runtime.wait()

"""`send_after` of durable agents: what is to be sent later outlives the agent and the program."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import ManualClock
from tests.core.support import Journal, crash


class Alarm(AgentProcess):
    """Sets one for itself or another, by the payload `[seconds, to]`; writes down what comes."""

    def __init__(self, name: str, journal: Journal, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.journal = journal

    async def handle(self, message: Message) -> Message:
        match message.type:
            case "set":
                self.send_after(message.payload[0], message.payload[1], "wake up", "alarm")
            case "set and cancel":
                self.send_after(message.payload[0], self.name, "never", "alarm").cancel()
            case "set twice and crash once":
                for _ in range(2):
                    self.send_after(0, self.name, "wake up", "alarm")
                if not message.attempt:
                    raise ValueError("too hot")
            case "crash":
                raise ValueError("too hot")
            case "alarm":
                self.journal.write(f"{message.sender} to {self.name}: {message.payload}")
        return self.reply(None)


class System:
    """A system that can be stopped and started again on one store."""

    def __init__(self) -> None:
        self.store, self.journal = InMemoryStateStore(), Journal()

    def runtime(self, clock: ManualClock | None = None) -> Runtime:
        agents = [
            Alarm("a", self.journal, delivery="durable", max_deliveries=2),
            Alarm("b", self.journal),
        ]
        tree = Supervisor("root", agents, backoff="none", max_restarts=10)
        return Runtime(tree, state_store=self.store, clock=clock, drain_timeout=0.1)


@pytest.mark.promise(id="SEM-1670")
@pytest.mark.parametrize("to", ["a", "b"])
async def test_what_a_durable_agent_sends_later_outlives_the_program(to: str) -> None:
    system = System()
    async with system.runtime(ManualClock()) as runtime:
        await runtime.ask("a", [0.01, to], "set")
    assert system.journal == []
    async with system.runtime():
        await system.journal.until(f"a to {to}: wake up")
    async with system.runtime() as runtime:
        await runtime.ask("a", None)
    assert system.journal == [f"a to {to}: wake up"]
    assert await system.store.keys("civitas:runs:timer:") == []


@pytest.mark.promise(id="SEM-1670")
async def test_what_a_durable_agent_sends_later_outlives_its_crash() -> None:
    system, clock = System(), ManualClock()
    async with system.runtime(clock) as runtime:
        await runtime.ask("a", [10, "a"], "set")
        await crash(runtime, "a")
        await runtime.ask("a", None)
        clock.advance(10)
        await system.journal.until("a to a: wake up")


@pytest.mark.promise(id="SEM-1670")
async def test_what_was_cancelled_is_not_sent_by_the_next_program() -> None:
    system = System()
    async with system.runtime(ManualClock()) as runtime:
        await runtime.ask("a", [0.01], "set and cancel")
        assert await system.store.keys("civitas:runs:timer:") == []
    async with system.runtime() as runtime:
        await runtime.ask("a", None)
    assert system.journal == []


@pytest.mark.promise(id="SEM-1671")
async def test_a_message_that_is_handled_again_sets_no_timer_twice() -> None:
    system, clock = System(), ManualClock()
    async with system.runtime(clock) as runtime:
        await runtime.ask("a", None, "set twice and crash once")
        assert len(await system.store.keys("civitas:runs:timer:")) == 2
        clock.advance(1)
        await system.journal.until("a to a: wake up", 2)
        await runtime.ask("a", None)
    assert len(system.journal) == 2


@pytest.mark.promise(id="SEM-1671")
async def test_a_timer_is_in_the_store_before_its_message_is_answered() -> None:
    system = System()
    async with system.runtime(ManualClock()) as runtime:
        await runtime.ask("a", [10, "a"], "set")
        assert len(await system.store.keys("civitas:runs:timer:")) == 1

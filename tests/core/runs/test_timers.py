"""`send_after` of durable agents: what is to be sent later outlives the agent and the program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import ManualClock, MemoryNetwork
from tests.core.cluster.nodes import Nodes
from tests.core.support import Journal, crash, error_of


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
            case "set, wait and crash once":
                self.send_after(message.payload[0], message.payload[1], "wake up", "alarm")
                if not message.attempt:
                    await self.journal.until("crash")
                    raise ValueError("too hot")
            case "set, and once more behind it":
                self.send_after(message.payload[0], message.payload[1], "wake up", "alarm")
                self.later = asyncio.create_task(self.set_behind(message))
            case "set and fail":
                self.send_after(message.payload[0], message.payload[1], "wake up", "alarm")
                raise LookupError("too hot")
            case "crash":
                raise ValueError("too hot")
            case "alarm":
                self.journal.write(f"{message.sender} to {self.name}: {message.payload}")
        return self.reply(None)

    async def set_behind(self, message: Message) -> None:
        """Set one when the handler of `message` has ended."""
        while (run := self._civitas_incarnation) and run.now.current is not None:
            await asyncio.sleep(0)
        self.send_after(message.payload[0], message.payload[1], "wake up", "alarm")
        self.journal.write("set once more")

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        return ErrorAction.SKIP if isinstance(error, LookupError) else ErrorAction.ESCALATE


class System:
    """A system that can be stopped and started again on one store; its agent `a` is durable.

    Args:
        process: Where that runs.
    """

    def __init__(self, process: str) -> None:
        self.store, self.journal, self.process = InMemoryStateStore(), Journal(), process

    @asynccontextmanager
    async def running(self, clock: ManualClock | None = None) -> AsyncIterator[Runtime]:
        given: dict[str, Any] = {"state_store": self.store, "clock": clock, "drain_timeout": 0.1}
        durable: dict[str, Any] = {"delivery": "durable", "max_deliveries": 2}
        other = Alarm("b", self.journal)
        if self.process == "root":
            a = Alarm("a", self.journal, **durable)
            tree = Supervisor("root", [a, other], backoff="none", max_restarts=10)
            async with Runtime(tree, **given) as runtime:
                yield runtime
            return
        keywords = {"journal": self.journal, **durable}
        network, there = MemoryNetwork(), {"w": {"a": Alarm}}
        async with Nodes(network.transport, there, other, keywords=keywords, given=given) as nodes:
            yield nodes.runtime

    async def kept(self) -> list[str]:
        """The keys of the timers that are not over."""
        return await self.store.keys("civitas:runs:timer:")


@pytest.fixture(params=["root", "a worker"])
def system(request: pytest.FixtureRequest) -> System:
    return System(request.param)


@pytest.mark.promise(id="SEM-1670")
@pytest.mark.parametrize("to", ["a", "b"])
async def test_what_a_durable_agent_sends_later_outlives_the_program(
    system: System, to: str
) -> None:
    async with system.running(ManualClock()) as runtime:
        await runtime.ask("a", [0.01, to], "set")
    assert system.journal == []
    async with system.running():
        await system.journal.until(f"a to {to}: wake up")
    async with system.running() as runtime:
        await runtime.ask("a", None)
    assert system.journal == [f"a to {to}: wake up"]
    assert await system.kept() == []


@pytest.mark.promise(id="SEM-1670")
async def test_what_a_durable_agent_sends_later_outlives_its_crash(system: System) -> None:
    clock = ManualClock()
    async with system.running(clock) as runtime:
        await runtime.ask("a", [10, "a"], "set")
        await crash(runtime, "a")
        await runtime.ask("a", None)
        clock.advance(10)
        await system.journal.until("a to a: wake up")


@pytest.mark.promise(id="SEM-1670")
async def test_what_was_cancelled_is_not_sent_by_the_next_program(system: System) -> None:
    async with system.running(ManualClock()) as runtime:
        await runtime.ask("a", [0.01], "set and cancel")
        assert await system.kept() == []
    async with system.running() as runtime:
        await runtime.ask("a", None)
    assert system.journal == []


@pytest.mark.promise(id="SEM-1671")
async def test_a_message_that_is_handled_again_sets_no_timer_twice(system: System) -> None:
    clock = ManualClock()
    async with system.running(clock) as runtime:
        await runtime.ask("a", None, "set twice and crash once")
        assert len(await system.kept()) == 2
        clock.advance(1)
        await system.journal.until("a to a: wake up", 2)
        await runtime.ask("a", None)
    assert len(system.journal) == 2


@pytest.mark.promise(id="SEM-1671")
async def test_nor_one_that_was_sent_meanwhile(system: System) -> None:
    clock = ManualClock()
    async with system.running(clock) as runtime:
        asking = asyncio.create_task(runtime.ask("a", [5, "b"], "set, wait and crash once"))
        await clock.timers()
        clock.advance(5)
        await system.journal.until("a to b: wake up")
        system.journal.write("crash")
        await asking
        clock.advance(5)
        await runtime.ask("b", None)
    assert system.journal.count("a to b: wake up") == 1


@pytest.mark.promise(id="SEM-1671")
@pytest.mark.parametrize("what", ["set", "set and fail"])
async def test_a_timer_is_in_the_store_before_its_message_is_finished(
    system: System, what: str
) -> None:
    async with system.running(ManualClock()) as runtime:
        asking = runtime.ask("a", [10, "a"], what)
        await (error_of(asking) if "fail" in what else asking)
        assert len(await system.kept()) == 1


async def test_what_is_set_when_the_message_is_finished_is_another_timer(system: System) -> None:
    async with system.running(ManualClock()) as runtime:
        await runtime.ask("a", [10, "a"], "set, and once more behind it")
        await system.journal.until("set once more")
        await runtime.ask("a", None)
        assert len(await system.kept()) == 2

"""Threads for what agents run by `asyncio.to_thread`."""

from __future__ import annotations

import asyncio
import threading

import pytest

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor


def thread() -> str:
    return threading.current_thread().name


class Blocking(AgentProcess):
    async def handle(self, message: Message) -> Message:
        return self.reply(await asyncio.to_thread(thread))


@pytest.mark.promise(id="SEM-976")
async def test_blocking_code_of_an_agent_has_threads_of_its_own_and_the_application_keeps_its_own():
    async with Runtime(Supervisor("root", [Blocking("a")])) as runtime:
        assert (await runtime.ask("a", 1)).payload.startswith("civitas-root-frameworks")
        assert (await asyncio.to_thread(thread)).startswith("asyncio")
    assert (await asyncio.to_thread(thread)).startswith("asyncio")


async def test_two_systems_on_one_loop_leave_it_as_it_was_in_any_order():
    first = Runtime(Supervisor("root", [Blocking("a")]), name="one")
    second = Runtime(Supervisor("root", [Blocking("a")]), name="two")
    await first.start()
    await second.start()
    await first.stop()
    assert "frameworks" in (await second.ask("a", 1)).payload
    assert (await asyncio.to_thread(thread)).startswith("asyncio")
    await second.stop()
    assert (await asyncio.to_thread(thread)).startswith("asyncio")


class Many(AgentProcess):
    async def handle(self, message: Message) -> Message:
        # More at once than asyncio's own executor has threads on a small machine: each waits for all the others.
        barrier = threading.Barrier(20)
        await asyncio.gather(*(asyncio.to_thread(barrier.wait, 10) for _ in range(20)))
        return self.reply("all at once")


async def test_there_are_threads_enough_for_many_blocking_calls_at_once():
    async with Runtime(Supervisor("root", [Many("a")])) as runtime:
        assert (await runtime.ask("a", 1)).payload == "all at once"

"""`sys.exit()` in code that a framework runs in a task of its own."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from civitas.errors import HandlerFailed
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.frameworks.support import restarts, running


class InTasks(MachineAgent):
    """Its framework runs each order in a task."""

    async def _do(self, order: str) -> str:
        return await asyncio.create_task(self._work(order))

    async def _work(self, order: str) -> str:
        match order:
            case "exit":
                sys.exit(3)
            case "exit, wrapped":
                try:
                    await asyncio.create_task(self._work("exit"))
                except Exception as error:
                    raise ValueError("the framework's own") from error
            case "never":
                asyncio.create_task(self.subject.do("x")).cancel()
                await asyncio.sleep(0)
            case "cancel":
                raise asyncio.CancelledError
        return await self.subject.do(order)


@pytest.mark.promise(id="SEM-1087")
@pytest.mark.parametrize("order", ["exit", "exit, wrapped"])
async def test_a_task_that_exits_ends_its_agent_and_nobody_else(order: str) -> None:
    async with running(InTasks("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", [order])
        assert failed.value.error_type == "SystemExit"
        assert (await runtime.ask("m", ["go"])).payload["done"] == ["GO"]
        assert restarts(runtime) == 1


async def test_a_run_that_cancels_itself_is_told_and_the_agent_lives() -> None:
    async with running(InTasks("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed, match="raised CancelledError itself"):
            await runtime.ask("m", ["cancel"])
        assert (await runtime.ask("m", ["go"])).payload["done"] == ["GO"]
        assert restarts(runtime) == 0


async def test_the_task_factory_of_the_application_makes_the_tasks() -> None:
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **keywords: Any) -> Any:
        made.append(f"{type(work).__name__} {work.__qualname__}")
        return asyncio.Task(work, loop=loop, **keywords)

    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(factory)
    try:
        async with running(InTasks("m", machine=Machine())) as runtime:
            await runtime.ask("m", ["go"])
            await runtime.ask("m", ["go"])
    finally:
        loop.set_task_factory(before)
    assert made.count("_Contained InTasks._work") == 2


async def test_a_task_that_is_cancelled_before_it_begins_leaves_nothing_unawaited() -> None:
    machine = Machine()
    async with running(InTasks("m", machine=machine)) as runtime:
        assert (await runtime.ask("m", ["never"])).payload["done"] == ["NEVER"]
    assert machine.did == ["never"]

"""How far a run has come, for whoever looks while it goes on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from civitas.frameworks import Run
from civitas.message import Message
from civitas.process import AgentProcess
from tests.core.frameworks.machine import Machine, MachineAgent, Overloaded
from tests.core.frameworks.support import doing, running
from tests.core.support import eventually


async def test_an_agent_without_a_message_does_nothing() -> None:
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", ["go"])
        assert doing(runtime, "m") == {}


@pytest.mark.promise(id="SEM-1643")
async def test_a_run_tells_its_step() -> None:
    machine = Machine()
    async with running(MachineAgent("m", machine=machine)) as runtime:
        began = time.time()
        asking = asyncio.create_task(runtime.ask("m", ["go", "hang"]))
        await machine.began.wait()
        told = doing(runtime, "m")
        machine.go_on.set()
        await asking
    assert told["step"] == "hang"
    assert began <= told["moved"] <= time.time()
    assert "usage" not in told


@pytest.mark.promise(id="SEM-1643")
async def test_a_run_that_is_to_be_tried_again_tells_when() -> None:
    agent = MachineAgent("m", machine=Machine(go=[Overloaded("60")]), durable=True)
    async with running(agent) as runtime:
        asking = asyncio.create_task(runtime.ask("m", ["go"], timeout=None))
        await eventually(lambda: "retry_at" in doing(runtime, "m"))
        assert doing(runtime, "m")["retry_at"] == pytest.approx(time.time() + 60, abs=5)
        asking.cancel()


@pytest.mark.promise(id="SEM-1643")
async def test_a_run_tells_what_it_used_and_which_tool_it_calls() -> None:
    class Calling(MachineAgent):
        async def run_framework(self, run: Run) -> Any:
            run.progress.begins("think")
            run.progress.uses(1, 20, 3)
            run.progress.calls("search")
            return await super().run_framework(run)

    machine = Machine()
    async with running(Calling("m", machine=machine)) as runtime:
        asking = asyncio.create_task(runtime.ask("m", []))
        await asking
        asking = asyncio.create_task(runtime.ask("m", ["hang"]))
        await machine.began.wait()
        assert doing(runtime, "m")["usage"] == [1, 20, 3, 23]
        machine.go_on.set()
        await asking


@pytest.mark.promise(id="SEM-1643")
async def test_a_step_and_the_agents_that_are_asked_are_told_of_any_agent() -> None:
    class Clerk(AgentProcess):
        async def handle(self, message: Message) -> Message:
            reply = await self.step("look", self.look)
            return self.reply(reply)

        async def look(self) -> Any:
            return (await self.ask("m", ["hang"])).payload

    machine = Machine()
    async with running(Clerk("clerk"), MachineAgent("m", machine=machine)) as runtime:
        asking = asyncio.create_task(runtime.ask("clerk", None))
        await machine.began.wait()
        told = doing(runtime, "clerk")
        machine.go_on.set()
        await asking
    assert (told["step"], told["asks"]) == ("look", ["m"])

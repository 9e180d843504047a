"""Runs that make no progress for longer than their agent allows."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import Any

import pytest

from civitas.errors import ConfigurationError, HandlerFailed, TopologyError
from civitas.frameworks import AgentCall, Run, heartbeat
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from tests.core.frameworks.machine import Machine, MachineAgent, Overloaded
from tests.core.frameworks.support import restarts, running
from tests.core.support import Actor, Journal

LIMIT = 0.1
"""Seconds; what is to live is quiet for less than a third of it at a time."""


class Slow(MachineAgent):
    """What it does between two orders is given."""

    async def run_framework(self, run: Run) -> Any:
        for order in run.payload:
            await getattr(self, order)(run)
        return "done"

    async def talk(self, run: Run) -> None:
        for _ in range(8):
            await asyncio.sleep(LIMIT / 4)
            await run.token("word ")

    async def think(self, run: Run) -> None:
        for _ in range(8):
            await asyncio.sleep(LIMIT / 4)
            run.progress.calls("search")
            run.progress.called("search")

    async def beats(self, run: Run) -> None:
        for _ in range(8):
            await asyncio.sleep(LIMIT / 4)
            await asyncio.to_thread(heartbeat, "a page was read")

    async def asks(self, run: Run) -> None:
        await AgentCall("other", description="helps").ask({"input": "?"})

    async def asks_by_hand(self, run: Run) -> None:
        await self.ask("other", {"input": "?"})

    async def blocks(self, run: Run) -> None:
        await self._held_up(run, LIMIT * 2)

    async def blocks_until_it_is_looked_at(self, run: Run) -> None:
        await self._held_up(run, LIMIT * 1.02)

    async def _held_up(self, run: Run, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251
        await asyncio.sleep(LIMIT / 4)
        await run.step("after")

    async def hang(self, run: Run) -> None:
        await asyncio.Event().wait()

    async def raises_of_its_own(self, run: Run) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            raise RuntimeError("the graph was interrupted") from cancelled


def slow(**keywords: Any) -> Slow:
    return Slow("m", machine=Machine(), progress_timeout=LIMIT, **keywords)


class Helper(AgentProcess):
    """Takes its time, without a step."""

    async def handle(self, message: Message) -> Message:
        await asyncio.sleep(LIMIT * 2)
        return self.reply("helped")


@pytest.mark.promise(id="SEM-1713")
async def test_whoever_asked_is_told_what_a_stuck_run_did_last() -> None:
    machine = Machine()
    agent = MachineAgent("m", machine=machine, progress_timeout=LIMIT)
    async with running(agent) as runtime:
        asking, turns = asyncio.create_task(runtime.ask("m", ["go", "hang"])), 0
        while not asking.done():  # counted, as a machine that is busy may hold this process up
            await asyncio.wait({asking}, timeout=LIMIT / 10)
            turns += 1
        with pytest.raises(HandlerFailed) as failed:
            await asking
        assert turns * LIMIT / 10 < LIMIT + 0.2
    assert machine.cancelled.is_set()
    assert failed.value.error_type == "NoProgress"
    assert "the run of 'm'" in failed.value.error_message
    assert "last, the step 'hang' began, " in failed.value.error_message
    assert "go_on.wait()" in failed.value.remote_traceback


@pytest.mark.promise(id="SEM-1713")
async def test_what_waits_behind_a_stuck_run_is_handled_without_a_restart() -> None:
    async with running(slow()) as runtime:
        stuck = asyncio.create_task(runtime.ask("m", ["hang"]))
        behind = asyncio.create_task(runtime.ask("m", []))
        assert (await behind).payload == "done"
        assert restarts(runtime) == 0
        with pytest.raises(HandlerFailed):
            await stuck


@pytest.mark.promise(id="SEM-1713")
async def test_a_framework_that_makes_something_else_of_the_cancellation_is_stuck_all_the_same() -> (
    None
):
    async with running(slow()) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["raises_of_its_own"])
    assert failed.value.error_type == "NoProgress"


@pytest.mark.promise(id="SEM-1714")
@pytest.mark.parametrize(
    "order", ["talk", "think", "beats", "blocks", "blocks_until_it_is_looked_at"]
)
async def test_a_run_that_is_slow_and_moves_lives(order: str) -> None:
    async with running(slow()) as runtime:
        assert (await runtime.ask("m", [order])).payload == "done"


def test_a_heartbeat_outside_a_run_does_nothing() -> None:
    heartbeat()


@pytest.mark.promise(id="SEM-1713")
async def test_the_last_heartbeat_stands_in_the_error() -> None:
    async with running(slow()) as runtime:
        with pytest.raises(HandlerFailed, match="last, a page was read, "):
            await runtime.ask("m", ["beats", "hang"])


@pytest.mark.promise(id="SEM-1714")
async def test_a_slow_reader_does_not_make_a_run_stuck() -> None:
    machine = Machine()
    agent = MachineAgent("m", machine=machine, progress_timeout=LIMIT)
    async with (
        running(agent) as runtime,
        aclosing(runtime.stream("m", ["x" * 300])) as stream,
    ):
        assert (await anext(stream)).type == "step"
        await asyncio.sleep(LIMIT * 2)
        assert [each async for each in stream][-1].type == "reply"


@pytest.mark.promise(id="SEM-1714")
@pytest.mark.parametrize("way", ["asks", "asks_by_hand"])
async def test_the_time_stands_still_while_another_agent_is_asked(way: str) -> None:
    async with running(slow(), Helper("other")) as runtime:
        assert (await runtime.ask("m", [way])).payload == "done"


@pytest.mark.promise(id="SEM-1714")
async def test_a_run_that_hangs_after_an_answer_is_stuck() -> None:
    async with running(slow(), Helper("other")) as runtime:
        with pytest.raises(HandlerFailed, match="an agent that it asked answered"):
            await runtime.ask("m", ["asks", "hang"])


@pytest.mark.promise(id="SEM-1714")
async def test_the_wait_before_another_try_is_no_part_of_a_run() -> None:
    machine = Machine(go=[Overloaded(str(LIMIT * 2))])
    agent = MachineAgent("m", machine=machine, progress_timeout=LIMIT, delivery="at_least_once")
    async with running(agent) as runtime:
        assert (await runtime.ask("m", ["go"])).payload["done"] == ["GO"]
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-1715")
async def test_a_durable_run_goes_on_from_its_last_finished_step() -> None:
    machine = Machine()

    async def helps() -> None:
        await machine.cancelled.wait()
        machine.go_on.set()

    agent = MachineAgent("m", machine=machine, durable=True, progress_timeout=LIMIT)
    async with running(agent) as runtime, asyncio.TaskGroup() as helping:
        helping.create_task(helps())
        reply = await runtime.ask("m", ["go", "hang"])
        assert restarts(runtime) == 1
    assert reply.payload["done"] == ["GO", "HANG"]
    assert machine.did == ["go", "hang", "hang"]


@pytest.mark.promise(id="SEM-1715")
async def test_a_durable_run_that_is_stuck_each_time_is_given_up_alone() -> None:
    journal = Journal()
    agent = slow(durable=True, max_deliveries=3)
    async with running(agent, Actor("neighbour", journal), max_restarts=1) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["hang"])
        assert failed.value.error_type == "NoProgress"
        assert (await runtime.ask("m", [])).payload == "done"
    assert journal.count("start neighbour") == 1


@pytest.mark.parametrize("wrong", [0, -1, "5", True])
async def test_a_progress_timeout_is_a_number_of_seconds(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"MachineAgent\('m'\): progress_timeout must be"):
        MachineAgent("m", machine=Machine(), progress_timeout=wrong)


async def test_a_topology_with_a_wrong_progress_timeout_is_refused() -> None:
    entry = {"name": "m", "wrap": f"{__name__}:Machine", "progress_timeout": "soon"}
    topology = {"supervision": {"name": "root", "children": [{"agent": entry}]}}
    with pytest.raises(TopologyError, match="progress_timeout must be"):
        Runtime.from_config(topology)

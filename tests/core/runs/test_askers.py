"""Whoever waits for a run of a durable agent: leaves, comes back, reads along, or ends it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from civitas.errors import (
    AskTimeout,
    RunCancelled,
)
from civitas.message import Message
from civitas.runs import RunStatus
from tests.core.runs.support import durable, system
from tests.core.support import Actor, Journal, error_of, eventually


@pytest.mark.promise(id="SEM-1615")
async def test_an_asker_whose_time_is_up_finds_the_answer_by_the_name_in_the_error(
    journal: Journal,
) -> None:
    agent = durable(journal)
    async with system(agent) as runtime:
        late = await error_of(runtime.ask("a", 1, "hold", timeout=0.01))
        waiting = await error_of(runtime.ask("a", 2, timeout=0.01))
        assert isinstance(late, AskTimeout)
        assert isinstance(waiting, AskTimeout)
        agent.release.set()
        assert late.run is not None
        assert waiting.run is not None
        assert (await runtime.result(late.run)).payload == 1
        assert (await runtime.result(waiting.run)).payload == 2


@pytest.mark.promise(id="SEM-1616")
async def test_the_run_of_an_asker_that_gave_up_ends_if_its_agent_wants_that_and_it_has_no_name(
    journal: Journal,
) -> None:
    agent = durable(journal, cancel_on_timeout=True)
    async with system(agent) as runtime:
        late = await error_of(runtime.ask("a", 1, "hold", timeout=0.01))
        assert isinstance(late, AskTimeout)
        assert late.run is not None
        assert isinstance(await error_of(runtime.result(late.run)), RunCancelled)
        assert [info.status for info in runtime.runs()] == [RunStatus.EXPIRED]
        named = await error_of(runtime.ask("a", 2, "hold", timeout=0.01, run="r"))
        assert isinstance(named, AskTimeout)
        agent.release.set()
        assert (await runtime.ask("a", 2, "hold", run="r")).payload == 2


@pytest.mark.promise(id="SEM-1617")
async def test_a_run_is_cancelled_wherever_it_is(journal: Journal) -> None:
    async with system(durable(journal)) as runtime:
        asking = [
            asyncio.create_task(error_of(runtime.ask("a", n, "hold", run=f"r{n}")))
            for n in range(2)
        ]
        await journal.until("hold a")
        assert await runtime.cancel("r1")
        assert await runtime.cancel("r0")
        assert all(isinstance(error, RunCancelled) for error in await asyncio.gather(*asking))
        assert (await runtime.ask("a", 3)).payload == 3
        assert not await runtime.cancel("r0")
        assert not await runtime.cancel("no such run")
        assert len(runtime.runs("cancelled")) == 2


async def test_a_result_that_is_not_there_in_time_says_so(journal: Journal) -> None:
    async with system(durable(journal)) as runtime:
        await runtime.send("a", 1, "hold", run="r")
        late = await error_of(runtime.result("r", timeout=0.01))
        assert isinstance(late, AskTimeout)
        assert late.run == "r"


async def test_a_stream_of_a_durable_agent_is_read_as_of_any_other(journal: Journal) -> None:
    class Counts(Actor):
        async def handle(self, message: Message) -> Message | None:
            for number in range(3):
                await self.emit(number)
            return self.reply("over")

    async with system(Counts("a", journal, delivery="durable")) as runtime:
        read = [each.payload async for each in runtime.stream("a", 1, run="r")]
        assert read == [0, 1, 2, "over"]
        assert [each.payload async for each in runtime.stream("a", 1, run="r")] == ["over"]


async def test_the_run_of_a_reader_that_left_goes_on_if_it_has_a_name(journal: Journal) -> None:
    class Counts(Actor):
        async def handle(self, message: Message) -> Message | None:
            for number in range(300):
                await self.emit(number)
            return self.reply("over")

    letters: list[str] = []
    async with system(Counts("a", journal, delivery="durable")) as runtime:
        runtime.on("dead_letter", lambda event: letters.append(event.reason))
        for run in ("named", None):
            async with aclosing(runtime.stream("a", 1, run=run)) as stream:
                async for _ in stream:
                    break
        assert (await runtime.result("named")).payload == "over"
        await eventually(lambda: len(runtime.runs("cancelled")) == 1)
        assert "no_reader" not in letters

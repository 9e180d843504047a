"""Runs that fail: what is told, what is tried again, and what ends the agent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from civitas.errors import (
    ConfigurationError,
    HandlerFailed,
)
from civitas.frameworks import Run
from civitas.message import Message
from tests.core.frameworks.machine import Machine, MachineAgent, Overloaded, Refused
from tests.core.frameworks.support import restarts, running

# Failures.


@pytest.mark.promise(id="SEM-970")
async def test_a_failure_that_is_an_answer_reaches_the_asker_and_the_agent_lives():
    async with running(MachineAgent("m", machine=Machine(a=[Refused("no")]))) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["a"])
        assert failed.value.error_type == "Refused"
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-971")
async def test_a_transient_failure_of_a_run_that_is_not_durable_is_told_at_once():
    machine = Machine(a=[Overloaded()])
    async with running(MachineAgent("m", machine=machine)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["a"])
        assert failed.value.error_type == "Overloaded"
        assert (restarts(runtime), machine.did) == (0, ["a"])


@pytest.mark.promise(id="SEM-971")
async def test_a_transient_failure_of_a_durable_run_is_tried_again_in_place():
    machine = Machine(b=[Overloaded(), Overloaded()])
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        assert (await runtime.ask("m", ["a", "b"])).payload["done"] == ["A", "B"]
        assert (restarts(runtime), machine.did) == (0, ["a", "b", "b", "b"])


@pytest.mark.promise(id="SEM-971")
async def test_a_transient_failure_that_stays_is_told_after_max_retries():
    machine = Machine(a=[Overloaded()] * 9)
    agent = MachineAgent("m", machine=machine, durable=True, max_retries=2)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("m", ["a"])
        assert (restarts(runtime), machine.did) == (0, ["a"] * 3)


@pytest.mark.promise(id="SEM-972")
async def test_transient_says_which_failures_are_tried_again():
    machine = Machine(a=[ValueError()])
    agent = MachineAgent("m", machine=machine, transient=lambda e: isinstance(e, ValueError))
    async with running(agent) as runtime:
        assert (await runtime.ask("m", ["a"])).payload["done"] == ["A"]
        assert restarts(runtime) == 0


@pytest.mark.promise(id="SEM-972")
async def test_a_transient_that_fails_itself_is_logged_and_the_asker_reads_the_first_error(caplog):
    machine = Machine(a=[OSError("first")])
    agent = MachineAgent("m", machine=machine, transient=lambda e: e.args[1])
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["a"])
        assert failed.value.error_type == "OSError"
        assert restarts(runtime) == 0
    assert "its outcome or transient raised" in caplog.text


@pytest.mark.promise(id="SEM-1221")
async def test_a_reply_that_is_sent_again_has_its_headers():
    lost = [MemoryError("before the reply was sent")]

    class Loses(MachineAgent):
        async def run_framework(self, run: Run) -> Any:
            run.used(1, 2, 3)
            run.failures([("break", "x" * 1000)] * 30)
            setattr(run, "reply", lose)  # noqa: B010
            return await super().run_framework(run)

    def lose(*of: Any) -> Message:
        raise lost.pop()

    machine = Machine()
    async with running(Loses("m", machine=machine, durable=True)) as runtime:
        reply = await runtime.ask("m", ["a"], conversation="x")
        assert (restarts(runtime), machine.did) == (1, ["a"])
    assert json.loads(reply.headers["civitas-usage"]) == {
        "requests": 1,
        "input_tokens": 2,
        "output_tokens": 3,
        "total_tokens": 5,
    }
    assert (
        json.loads(reply.headers["civitas-tool-failures"])
        == [{"name": "break", "error": "x" * 500}] * 20
    )


async def test_a_wait_that_nobody_would_live_to_see_is_not_begun():
    machine = Machine(a=[Overloaded("60")])
    async with running(MachineAgent("m", machine=machine, durable=True)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", ["a"], timeout=30)
        assert failed.value.error_type == "Overloaded"


@pytest.mark.promise(id="SEM-1084")
async def test_a_run_that_fails_and_was_not_asked_for_is_a_dead_letter_and_in_the_log(caplog):
    letters: asyncio.Queue[str] = asyncio.Queue()
    async with running(MachineAgent("m", machine=Machine(a=[KeyError("lost")]))) as runtime:
        runtime.on("dead_letter", lambda event: letters.put_nowait(event.reason))
        await runtime.send("m", ["a"])
        assert await asyncio.wait_for(letters.get(), 5) == "failed"
        assert restarts(runtime) == 0
    assert "KeyError: 'lost'" in caplog.text


async def test_a_transient_that_leads_nowhere_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="transient='nobody:home' cannot be resolved"):
        MachineAgent("m", machine=Machine(), transient="nobody:home")

"""What a durable run asks of durable agents, when it asks once more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.frameworks import AgentCall, FrameworkAgent, Run
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runs import RunStatus
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, StateStore
from tests.core.runs.support import system
from tests.core.support import eventually


class Caller(FrameworkAgent):
    """Asks `helper` for each item of its payload, in one call; the subject is that call, in a list."""

    subject_keyword = "calls"

    def __init__(self, name: str, call: AgentCall, **keywords: Any) -> None:
        super().__init__(name, subject=[call], **{"durable": True, **keywords})

    def accepts(self, subject: Any) -> bool:
        return isinstance(subject, list)

    def expected(self) -> str:
        return "a list"

    async def run_framework(self, run: Run) -> Any:
        async def ask_for_all() -> list[Any]:
            return [await self.subject[0].call(each) for each in run.payload]

        return await run.once("all", ask_for_all)


class Helper(AgentProcess):
    """Numbers what it handles, and holds what is 2 until it may answer."""

    def __init__(self, *, failures: int = 0, **keywords: Any) -> None:
        super().__init__("helper", delivery="durable", shutdown_timeout=0, **keywords)
        self.handled: list[Any] = []
        self.may_answer = asyncio.Event()
        self.failures = failures

    async def handle(self, message: Message) -> Message:
        self.handled.append(message.payload)
        number = len(self.handled)
        if self.failures:
            self.failures -= 1
            raise ValueError("not yet")
        if message.payload == 2:
            await self.may_answer.wait()
        return self.reply(number)

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        return ErrorAction.SKIP


def of_both(helper: Helper, store: StateStore | None = None) -> Runtime:
    call = AgentCall("helper", description="helps")
    return system(Caller("caller", call, shutdown_timeout=0), helper, store=store)


async def answer_after_a_kill(helper: Helper, *asked: int) -> Any:
    """Of a caller that is killed while the helper has what is 2 in hand."""
    async with of_both(helper) as runtime:
        asking = asyncio.create_task(runtime.ask("caller", list(asked)))
        await eventually(lambda: helper.handled and helper.handled[-1] == 2)
        await runtime.restart("caller")
        helper.may_answer.set()
        return (await asking).payload


@pytest.mark.promise(id="SEM-1646")
async def test_a_call_that_is_made_again_finds_the_run_that_it_began() -> None:
    helper = Helper()
    assert await answer_after_a_kill(helper, 2) == ["1"]
    assert helper.handled == [2]


@pytest.mark.promise(id="SEM-1646")
async def test_a_call_that_is_made_again_finds_the_answer_that_there_was() -> None:
    helper = Helper()
    assert await answer_after_a_kill(helper, 1, 2) == ["1", "2"]
    assert helper.handled == [1, 2]


@pytest.mark.promise(id="SEM-1646")
async def test_a_call_that_failed_is_made_again() -> None:
    helper = Helper(failures=1)
    assert await answer_after_a_kill(helper, 1, 2) == ["3", "2"]
    assert helper.handled == [1, 2, 1]


@pytest.mark.promise(id="SEM-1646")
async def test_a_call_that_ended_with_its_caller_is_made_again() -> None:
    helper = Helper(cancel_on_timeout=True)
    assert await answer_after_a_kill(helper, 2) == ["2"]
    assert helper.handled == [2, 2]


async def test_two_calls_that_are_the_same_are_two_runs() -> None:
    async with of_both(helper := Helper()) as runtime:
        assert (await runtime.ask("caller", [1, 1])).payload == ["1", "2"]
    assert helper.handled == [1, 1]


async def test_with_a_run_that_is_cancelled_ends_what_it_called() -> None:
    async with of_both(helper := Helper(cancel_on_timeout=True)) as runtime:
        await runtime.send("caller", [2], run="r")
        await eventually(lambda: helper.handled)
        await runtime.cancel("r")
        await eventually(lambda: not runtime.runs("running"))
        assert {each.status for each in runtime.runs()} == {RunStatus.CANCELLED}


@pytest.mark.promise(id="SEM-1646")
async def test_the_next_program_makes_a_call_again_and_finds_the_run_that_goes_on() -> None:
    store, helper = InMemoryStateStore(), Helper()
    async with of_both(first := Helper(), store) as runtime:
        await runtime.send("caller", [2], run="r")
        await eventually(lambda: first.handled)
    helper.may_answer.set()
    async with of_both(helper, store) as runtime:
        assert (await runtime.result("r")).payload == ["1"]
    assert (first.handled, helper.handled) == ([2], [2])

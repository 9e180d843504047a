"""What the result is of a run that asked a human."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import AskTimeout, HandlerFailed, Message, RunCancelled, Runtime, UnknownInterrupt
from civitas.errors import AgentTerminated
from civitas.process import AgentProcess
from civitas.runs import RunStatus
from civitas.runs.stored import StoredRuns
from civitas.state import InMemoryStateStore
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.runs.support import system
from tests.core.support import error_of, eventually


class Asks(AgentProcess):
    """Asks a human until it hears "done"; it fails of "fail", and holds "hold" until it may go on."""

    def __init__(self, go_on: asyncio.Event) -> None:
        super().__init__("a", delivery="durable", shutdown_timeout=0)
        self.go_on = go_on

    async def handle(self, message: Message) -> Message:
        said = message.payload["value"] if message.type == "resume" else message.payload
        if said == "unknown":
            raise UnknownInterrupt(self.name, "nobody asked that")
        if said == "fail":
            raise ValueError("it burns")
        if said == "hold":
            await self.go_on.wait()
        if said in ("done", "hold"):
            return self.reply(said)
        asked = {"interrupts": [{"id": said, "value": said}]}
        return self.reply(asked, "interrupt").replaced(conversation=message.conversation or "c")


def asks() -> Asks:
    return Asks(asyncio.Event())


async def say(runtime: Runtime, value: str) -> None:
    """Answer as the page does, which waits for nothing."""
    await runtime.send("a", {"value": value}, "resume", conversation="c")


async def asking(runtime: Runtime) -> asyncio.Task[Message]:
    """Asked once under the name `r`; then somebody waits for the end of that run."""
    question = await runtime.ask("a", "sure?", conversation="c", run="r")
    assert (question.type, (await runtime.result("r")).payload) == ("interrupt", question.payload)
    waiting = asyncio.create_task(runtime.result("r", timeout=10, final=True))
    await asyncio.sleep(0)
    return waiting


@pytest.mark.promise(id="SEM-1755")
async def test_whoever_waits_for_a_run_gets_what_came_of_the_answers_to_its_questions():
    async with system(asks()) as runtime:
        waiting = await asking(runtime)
        await say(runtime, "really?")
        await eventually(lambda: len(runtime.runs("waiting")) == 1 and len(runtime.runs()) == 2)
        second = await runtime.result("r")
        assert second.payload["interrupts"][0]["value"] == "really?"
        assert not waiting.done()
        await say(runtime, "done")
        reply = await waiting
        assert (reply.type, reply.payload, reply.run) == ("reply", "done", "r")
        assert (await runtime.result("r")).payload == "done"
        again = await runtime.ask("a", "sure?", conversation="c", run="r")
        assert (again.payload, again.run) == ("done", "r")


@pytest.mark.promise(id="SEM-1755")
async def test_a_result_waits_for_an_answer_that_is_being_handled():
    agent = asks()
    async with system(agent) as runtime:
        waiting = await asking(runtime)
        await say(runtime, "hold")
        await eventually(lambda: bool(runtime.runs("running")))
        with pytest.raises(AskTimeout, match="being handled") as late:
            await runtime.result("r", timeout=0.01)
        assert late.value.run == "r"
        result = asyncio.create_task(runtime.result("r"))
        await asyncio.sleep(0)
        agent.go_on.set()
        assert [each.payload for each in await asyncio.gather(waiting, result)] == ["hold", "hold"]


@pytest.mark.promise(id="SEM-1755")
async def test_an_answer_that_is_refused_leaves_the_wait_for_the_right_one():
    async with system(asks()) as runtime:
        waiting = await asking(runtime)
        await say(runtime, "unknown")
        await eventually(lambda: bool(runtime.runs("failed")))
        assert (await runtime.result("r")).type == "interrupt"
        assert not waiting.done()
        await say(runtime, "done")
        assert (await waiting).payload == "done"


@pytest.mark.promise(id="SEM-1755")
async def test_a_failure_behind_the_answer_is_told_to_whoever_waits_for_the_run():
    async with system(asks()) as runtime:
        waiting = await asking(runtime)
        await say(runtime, "fail")
        error = await error_of(waiting)
        assert isinstance(error, HandlerFailed)
        assert error.error_message == "it burns"
        assert isinstance(await error_of(runtime.result("r")), HandlerFailed)


@pytest.mark.promise(id="SEM-1755")
async def test_a_question_that_a_new_message_left_behind_is_told_to_whoever_waits():
    async with system(asks()) as runtime:
        waiting = await asking(runtime)
        await runtime.ask("a", "done", conversation="c")
        assert isinstance(error := await error_of(waiting), RunCancelled)
        assert "something else" in str(error)
        assert (await runtime.result("r")).type == "interrupt"


@pytest.mark.promise(id="SEM-1755")
async def test_a_wait_for_a_human_ends_with_its_time_and_with_the_system():
    async with system(asks()) as runtime:
        waiting = await asking(runtime)
        with pytest.raises(AskTimeout, match="its question"):
            await runtime.result("r", timeout=0.01, final=True)
        late = runtime.result("r", timeout=None, final=True)
    assert isinstance(await error_of(waiting), AgentTerminated)
    assert isinstance(await error_of(late), AgentTerminated)


@pytest.mark.promise(id="SEM-1755")
@pytest.mark.parametrize("known", [True, False])
async def test_an_answer_after_a_restart_is_the_result_of_the_run_before(known: bool):
    def agent() -> Any:
        return MachineAgent("m", machine=Machine(), durable=True)

    store = InMemoryStateStore()
    async with system(agent(), store=store) as runtime:
        await runtime.ask("m", ["a", "ask", "b"], conversation="c", run="r")
    async with system(agent(), store=store) as runtime:
        if not known:  # as when another program of the same store has asked
            runtime._runs.table.ended.clear()
        waiting = asyncio.create_task(runtime.result("r", timeout=10, final=True))
        await asyncio.sleep(0)
        await runtime.ask("m", {"value": "yes"}, "resume", conversation="c")
        assert (await waiting).payload["done"] == ["A", "yes", "B"]
    async with system(agent(), store=store) as runtime:
        reply = await runtime.result("r")
        assert (reply.payload["done"], reply.run) == (["A", "yes", "B"], "r")
        assert runtime.runs(RunStatus.WAITING) == []


@pytest.mark.promise(id="SEM-1755")
async def test_a_question_outside_of_any_conversation_has_no_answer_of_another_run():
    class Alone(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply({}, "interrupt" if message.type == "message" else "reply")

    store = InMemoryStateStore()
    async with system(Alone("a", delivery="durable"), store=store) as runtime:
        await runtime.ask("a", 1, run="r")
        await runtime.ask("a", 2, "resume")
        assert (await runtime.result("r")).type == "interrupt"
    reply = await StoredRuns(store).result("r")
    assert isinstance(reply, Message)
    assert reply.type == "interrupt"

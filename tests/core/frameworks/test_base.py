"""`FrameworkAgent`, with a framework of three lines."""

from __future__ import annotations

import asyncio
from typing import Any, Unpack

import pytest

from civitas.errors import (
    AskTimeout,
    ConfigurationError,
    HandlerFailed,
    PayloadError,
    StartFailed,
)
from civitas.frameworks import AgentKeywords, FrameworkAgent, FrameworkKeywords, Interrupted, Run
from civitas.process import AgentProcess
from tests.core.frameworks.support import restarts, running


class Machine:
    """What the framework runs: it does what it is told."""

    def __init__(self) -> None:
        self.runs = 0
        self.cancelled = asyncio.Event()

    async def run(self, order: str) -> Any:
        self.runs += 1
        if order == "fail":
            raise KeyError("broken")
        if order == "hang":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return {"order": order, "runs": self.runs}


class MachineAgent(FrameworkAgent):
    subject_keyword = "machine"

    def __init__(self, name: str, *, machine: Any, **keywords: Unpack[FrameworkKeywords]) -> None:
        super().__init__(name, subject=machine, **keywords)

    def accepts(self, subject: Any) -> bool:
        return isinstance(subject, Machine)

    def expected(self) -> str:
        return "a Machine"

    async def run_framework(self, run: Run) -> Any:
        payload = run.payload
        if "order" not in payload:
            self.refuse("payload", 'it takes {"order": text}')
        if payload["order"] == "ask":
            return Interrupted([{"id": "1", "value": "sure?"}])
        return await self.subject.run(payload["order"])


async def test_the_reply_is_what_the_framework_returned():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        reply = await runtime.ask("m", {"order": "go"})
    assert reply.payload == {"order": "go", "runs": 1}


async def test_the_frameworks_exception_reaches_the_asker_by_name_and_the_agent_restarts():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", {"order": "fail"})
        assert failed.value.error_type == "KeyError"
        assert (await runtime.ask("m", {"order": "go"})).payload["runs"] == 2
        assert restarts(runtime) == 1


async def test_a_refused_payload_fails_the_ask_and_not_the_agent():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed, match=r"it takes \{") as failed:
            await runtime.ask("m", {"odrer": "go"})
        assert failed.value.error_type == PayloadError.__name__
        assert restarts(runtime) == 0


async def test_a_function_builds_a_fresh_object_for_each_incarnation():
    async with running(MachineAgent("m", machine=Machine)) as runtime:
        assert (await runtime.ask("m", {"order": "go"})).payload["runs"] == 1
        assert (await runtime.ask("m", {"order": "go"})).payload["runs"] == 2
        with pytest.raises(HandlerFailed):
            await runtime.ask("m", {"order": "fail"})
        assert (await runtime.ask("m", {"order": "go"})).payload["runs"] == 1


async def test_an_object_that_is_not_the_frameworks_is_refused_when_the_agent_is_made():
    with pytest.raises(ConfigurationError, match=r"machine is a Machine.*got 'robot'"):
        MachineAgent("m", machine="robot")


async def test_a_function_that_builds_something_else_is_a_failed_start():
    with pytest.raises(StartFailed, match="machine is a Machine"):
        async with running(MachineAgent("m", machine=dict)):
            pass


async def test_a_keyword_that_nobody_takes_is_an_error_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"takes no 'machin_e'; did you mean 'machine'\?"):
        MachineAgent("m", machine=Machine(), machin_e=1)  # type: ignore[call-arg]


async def test_an_ask_that_times_out_cancels_the_run():
    machine = Machine()
    async with running(MachineAgent("m", machine=machine)) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("m", {"order": "hang"}, timeout=0.05)
        await asyncio.wait_for(machine.cancelled.wait(), 5)
        assert (await runtime.ask("m", {"order": "go"})).payload["order"] == "go"


async def test_a_run_has_a_span_below_that_of_its_message(spans):
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", {"order": "go"}, conversation="c1")
    assert spans.outline() == ["send m", "  process m", "    invoke_workflow m"]
    assert spans.attributes("invoke_workflow m")["gen_ai.conversation.id"] == "c1"


async def test_an_interrupted_run_is_marked_and_is_no_error(spans):
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        await runtime.ask("m", {"order": "ask"})
    assert spans.attributes("invoke_workflow m")["civitas.interrupted"] is True
    assert all(span.status.is_unset for span in spans.all())


async def test_a_run_that_waits_for_a_human_answers_with_its_questions():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        reply = await runtime.ask("m", {"order": "ask"}, conversation="c1")
        alone = await runtime.ask("m", {"order": "ask"})
    assert (reply.type, reply.conversation) == ("interrupt", "c1")
    assert reply.payload == {"interrupts": [{"id": "1", "value": "sure?"}]}
    assert alone.conversation


async def test_an_answer_to_a_question_nobody_asked_is_an_error_and_the_agent_lives():
    async with running(MachineAgent("m", machine=Machine())) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("m", {"value": True}, "resume", conversation="c1")
        assert failed.value.error_type == "UnknownInterrupt"
        assert restarts(runtime) == 0


def test_the_keywords_for_type_checkers_are_those_of_every_agent():
    import inspect

    parameters = list(inspect.signature(AgentProcess.__init__).parameters)[2:]
    assert parameters == list(AgentKeywords.__annotations__)

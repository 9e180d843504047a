"""What is known of runs: what their agents do, wait for and used."""

from __future__ import annotations

import asyncio
import time

import pytest

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runs import RunInfo, RunStatus
from civitas.runs.overview import overview
from civitas.state import InMemoryStateStore
from tests.core.frameworks.machine import Machine, MachineAgent, Overloaded
from tests.core.runs.support import durable, system
from tests.core.support import Journal, eventually


class Clerk(AgentProcess):
    """Asks another agent, in a step."""

    async def handle(self, message: Message) -> Message:
        return self.reply(await self.step("look", self.look))

    async def look(self) -> object:
        return (await self.ask("a", None, "hold", timeout=None)).payload


@pytest.mark.promise(id="SEM-1644")
async def test_a_run_that_goes_on_tells_since_when_in_which_step_and_what_it_waits_for(
    journal: Journal,
) -> None:
    began = time.time()
    async with system(Clerk("clerk", delivery="durable"), durable(journal)) as runtime:
        await runtime.send("clerk", 1, run="r")
        await journal.until("hold a")
        [info] = runtime.runs(agent="clerk")
        assert (info.status, info.step, info.deliveries) == (RunStatus.RUNNING, "look", 1)
        assert info.waits_for == ({"for": "agent", "name": "a"},)
        assert info.begun is not None
        assert began <= info.since <= info.begun <= time.time()
        [other] = runtime.runs(agent="a")
        assert (other.step, other.waits_for, other.usage) == ("", (), None)


@pytest.mark.promise(id="SEM-1644")
async def test_a_run_that_is_to_be_tried_again_tells_when() -> None:
    overloaded = Machine(go=[Overloaded("60")])
    agent = MachineAgent("m", machine=overloaded, durable=True, shutdown_timeout=0)
    async with system(agent) as runtime:
        await runtime.send("m", ["go"], run="r")
        await eventually(lambda: any(each.waits_for for each in runtime.runs()))
        [[wait]] = [each.waits_for for each in runtime.runs()]
        assert wait["for"] == "retry"
        assert wait["until"] == pytest.approx(time.time() + 60, abs=5)


@pytest.mark.promise(id="SEM-1644")
async def test_what_a_run_used_is_kept_with_its_end_and_also_where_it_failed() -> None:
    class Using(MachineAgent):
        async def run_framework(self, run):
            run.used(2, 30, 4)
            return await super().run_framework(run)

    store = InMemoryStateStore()
    agent = Using("m", machine=Machine(bad=[KeyError("x")]), durable=True)
    async with system(agent, store=store) as runtime:
        await runtime.ask("m", [], run="good")
        await runtime.send("m", ["bad"], run="bad")
        await eventually(lambda: runtime.runs("failed"))
    used = {"requests": 2, "input_tokens": 30, "output_tokens": 4, "total_tokens": 34}
    async with system(Using("m", machine=Machine(), durable=True), store=store) as runtime:
        good, bad = runtime.runs()
        assert (good.run, good.usage, good.status) == ("good", used, "done")
        assert (bad.run, bad.usage, bad.step, bad.status) == ("bad", used, "bad", "failed")
        assert bad.begun is not None
        assert bad.waits_for == ()


@pytest.mark.promise(id="SEM-1644")
async def test_a_run_waits_for_a_human_until_its_question_is_answered() -> None:
    async with system(MachineAgent("m", machine=Machine(), durable=True)) as runtime:
        asked = await runtime.ask("m", ["ask"], conversation="c", run="r")
        [info] = runtime.runs("waiting")
        [question] = asked.payload["interrupts"]
        assert info.waits_for == ({"for": "human", "id": question["id"]},)
        await runtime.ask("m", {"value": "yes"}, "resume", conversation="c")
        assert runtime.runs("waiting") == []
        assert [each.status for each in runtime.runs()] == ["done", "done"]


def test_a_failed_answer_leaves_a_run_waiting_and_that_of_another_conversation_too() -> None:
    def info(at: float, status: str, conversation: str | None = "c") -> RunInfo:
        return RunInfo(str(at), "m", RunStatus(status), conversation, "message", at)

    runs = [info(2, "failed"), info(1, "waiting"), info(3, "done", "d"), info(4, "running")]
    assert [each.run for each in overview(runs, RunStatus.WAITING)] == ["1"]
    assert overview([*runs, info(5, "done")], RunStatus.WAITING) == []


async def test_an_answer_that_only_looks_like_a_question_is_told_as_it_is() -> None:
    class Odd(AgentProcess):
        async def handle(self, message: Message) -> Message:
            reply = self.reply(message.payload, "interrupt")
            return reply.replaced(headers={"civitas-usage": "much"})

    async with system(Odd("odd", delivery="durable")) as runtime:
        for payload in (None, {"interrupts": 1}, {"interrupts": [{}]}):
            await asyncio.wait_for(runtime.ask("odd", payload), 5)
        assert [(each.status, each.waits_for, each.usage) for each in runtime.runs()] == [
            ("waiting", (), None)
        ] * 3

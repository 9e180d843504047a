"""What is known of runs: what their agents do, wait for and used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from civitas import Runtime, Supervisor
from civitas.budgets import Prices
from civitas.message import Message
from civitas.models import ModelResponse
from civitas.process import AgentProcess, ErrorAction
from civitas.process.steps import SPENT, STEPS
from civitas.runs import RunInfo, RunStatus
from civitas.runs.overview import overview
from civitas.state import InMemoryStateStore
from civitas.testing import MemoryNetwork, ScriptedModel
from tests.core.cluster.nodes import Nodes
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


ANSWER = ModelResponse("x" * 100, tokens_in=1000, tokens_out=10)


class Author(AgentProcess):
    """Writes chapters, each a step with a call of a model; fails once where it is told to."""

    failed = False

    async def handle(self, message: Message) -> Message:
        for chapter in message.payload:
            await self.step(chapter, self.write, chapter)
        return self.reply("done")

    async def write(self, chapter: str) -> str:
        if chapter == "hard" and not Author.failed:
            Author.failed = True
            raise KeyError(chapter)
        assert self.llm is not None
        answer = await self.llm.chat("quill-2026-01-01", [{"role": "user", "content": chapter}])
        return str(answer.content)


def writing(
    store: InMemoryStateStore, answers: Sequence[ModelResponse] = (ANSWER, ANSWER, ANSWER)
) -> Runtime:
    Author.failed = False
    return Runtime(
        Supervisor("root", [Author("author", delivery="durable")], backoff="none"),
        state_store=store,
        model_provider=ScriptedModel(answers),
        prices={"quill": {"in": 2, "out": 100}},
    )


@pytest.mark.promise(id="SEM-1723")
@pytest.mark.promise(id="SEM-1724")
async def test_a_run_tells_its_steps_and_what_its_models_cost_also_when_it_is_over() -> None:
    store, began = InMemoryStateStore(), time.time()
    async with writing(store) as runtime:
        await runtime.ask("author", ["a", "b"], run="r")
        assert [each.steps for each in runtime.runs()] == [()]
        told = await runtime.run_info("r")
    async with writing(store) as runtime:
        assert await runtime.run_info("r") == told
    assert told.cost == pytest.approx(2 * (1000 * 2 + 10 * 100) / 1e6)
    assert told.usage is not None
    assert (told.usage["requests"], told.usage["total_tokens"]) == (2, 2020)
    assert [(each["kind"], each["name"], each["bytes"]) for each in told.steps] == [
        ("step", "a", 102),
        ("step", "b", 102),
    ]
    for each in told.steps:
        assert began <= each["since"] <= each["since"] + each["seconds"] <= time.time()
        assert (each["recorded"], each["error"]) == (False, "")


@pytest.mark.promise(id="SEM-1723")
async def test_a_step_that_an_earlier_delivery_had_done_says_so() -> None:
    store = InMemoryStateStore()
    async with writing(store) as runtime:
        await runtime.ask("author", ["a", "hard"], run="r")
        steps = (await runtime.run_info("r")).steps
    assert [(each["name"], each["recorded"], each["bytes"]) for each in steps] == [
        ("a", True, 102),
        ("hard", False, 102),
    ]


@pytest.mark.promise(id="SEM-1751")
async def test_a_run_counts_calls_that_were_recorded_before_a_crash_once() -> None:
    answers = [ANSWER] * 3
    async with writing(InMemoryStateStore(), answers) as runtime:
        await runtime.ask("author", ["a", "b", "hard"], run="r")
        info = await runtime.run_info("r")
    assert (info.deliveries, info.usage and info.usage["requests"]) == (2, 3)
    assert info.cost == pytest.approx(3 * (1000 * 2 + 10 * 100) / 1e6)


@pytest.mark.promise(id="SEM-1751")
async def test_no_call_is_recorded_whose_cost_is_not_if_several_are_made_at_once() -> None:
    class Accounting(InMemoryStateStore):
        """Takes its time to write what was spent; notes the calls that are recorded, and those that are paid."""

        async def write(self, changes, *, expect={}):  # noqa: B006
            for _ in range(20 if any(key.endswith(SPENT) for key in changes) else 0):
                await asyncio.sleep(0)
            written = await super().write(changes, expect=expect)
            if there := [key for key in await self.keys(STEPS) if key.endswith(SPENT)]:
                spent = await self.get(there[0]) or {}
                seen.append((len(await self.keys(STEPS)) - 1, spent["usage"][0]))
            return written

    seen: list[tuple[int, int]] = []

    class Together(Author):
        async def handle(self, message: Message) -> Message:
            await asyncio.gather(*(self.step(each, self.write, each) for each in "abc"))
            return self.reply("done")

    tree = Supervisor("root", [Together("author", delivery="durable")])
    model = ScriptedModel([ANSWER], repeat=True)
    async with Runtime(tree, state_store=Accounting(), model_provider=model) as runtime:
        await runtime.ask("author", [], run="r")
    assert seen[-1] == (3, 3)
    assert all(recorded <= paid for recorded, paid in seen)


class Dropping(Author):
    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        return ErrorAction.SKIP


@pytest.mark.promise(id="SEM-1723")
@pytest.mark.parametrize("how", ["ask", "send", "fail"])
async def test_a_run_in_another_process_tells_its_steps_however_it_ends(how: str) -> None:
    Author.failed = False
    agents = {"w": {"author": Dropping}}
    model = ScriptedModel(["x"], repeat=True)
    nodes = Nodes(
        MemoryNetwork().transport,
        agents,
        keywords={"delivery": "durable"},
        given={"model_provider": model},
    )
    async with nodes:
        runtime = nodes.runtime
        if how == "ask":
            await runtime.ask("author", ["a"], run="r")
        else:
            await runtime.send("author", ["hard" if how == "fail" else "a"], run="r")
        await eventually(lambda: [each for each in runtime.runs() if each.ended])
        [step] = (await runtime.run_info("r")).steps
    failed = how == "fail"
    assert (step["name"], step["error"]) == (("hard", "KeyError") if failed else ("a", ""))


@pytest.mark.promise(id="SEM-1724")
async def test_a_run_some_of_whose_calls_have_no_price_has_no_cost() -> None:
    runtime = writing(InMemoryStateStore())
    runtime._node.budgets.purses.prices = Prices({"another": {"in": 1, "out": 1}})
    async with runtime:
        await runtime.ask("author", ["a"], run="r")
        told = await runtime.run_info("r")
    assert told.cost is None
    assert told.usage is not None


@pytest.mark.promise(id="SEM-1724")
@pytest.mark.parametrize(
    ("told", "cost"), [(Decimal("0.5"), 0.5), (3, 3.0), ("dear", None), (object(), None)]
)
async def test_what_a_provider_says_of_its_costs_fails_no_call(told: Any, cost: Any) -> None:
    answer = ModelResponse("x", tokens_in=1, tokens_out=1, cost_usd=told)
    async with writing(InMemoryStateStore(), [answer]) as runtime:
        await runtime.ask("author", ["a"], run="r")
        assert (await runtime.run_info("r")).cost == cost


@pytest.mark.promise(id="SEM-1723")
async def test_of_very_many_steps_the_newest_are_told() -> None:
    class Counts(AgentProcess):
        async def handle(self, message: Message) -> Message:
            for number in range(120):
                await self.step(f"{number}", int)
            return self.reply(None)

    async with system(Counts("c", delivery="durable")) as runtime:
        await runtime.ask("c", None, run="r")
        names = [each["name"] for each in (await runtime.run_info("r")).steps]
    assert names == [f"{number}" for number in range(20, 120)]


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

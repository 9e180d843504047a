"""Budgets of agents and supervisors in one OS process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from civitas import (
    AgentProcess,
    BudgetExceeded,
    ConfigurationError,
    ConversationPool,
    ErrorAction,
    Message,
    ModelResponse,
    Runtime,
    Supervisor,
)
from civitas.cli.agents import facts
from civitas.testing import ScriptedModel


class Caller(AgentProcess):
    """Calls its model as often as a message says, one after the other."""

    async def handle(self, message: Message) -> Message | None:
        assert self.llm is not None
        for _ in range(message.payload["calls"]):
            await self.llm.chat("m", [{"role": "user", "content": "x" * 8}])
        return self.reply(None)


class Asker(AgentProcess):
    """Asks another agent what it was asked."""

    async def handle(self, message: Message) -> Message | None:
        return self.reply((await self.ask("caller", message.payload)).payload)


def answer(read: int = 0, written: int = 0, cost: float | None = None) -> ScriptedModel:
    """A model that always uses the same."""
    return ScriptedModel([ModelResponse("a", "m", read, written, cost)], repeat=True)


def system(*children: Any, model: ScriptedModel | None = None, **keywords: Any) -> Runtime:
    root = {each: keywords.pop(each) for each in ("budget",) if each in keywords}
    return Runtime(
        Supervisor("root", children, max_restarts=0, **root),
        model_provider=model or answer(),
        **keywords,
    )


async def left(runtime: Runtime, key: str) -> Mapping[str, float]:
    found: Mapping[str, float] = next(
        each["left"] for each in await runtime.budgets() if each["key"] == key
    )
    return found


@pytest.mark.promise(id="SEM-1901")
async def test_a_call_that_a_budget_has_no_room_for_is_not_made() -> None:
    model = answer()
    async with system(Caller("caller", budget={"calls": 3}), model=model) as runtime:
        with pytest.raises(BudgetExceeded, match=r"'caller'.*3 calls, 3 calls are used") as caught:
            await runtime.ask("caller", {"calls": 5})
        assert len(model.calls) == 3
        error = caught.value
        assert (error.agent, error.what, error.limit, error.used) == ("caller", "calls", 3, 3)
        assert error.budget == "agent 'caller'"


@pytest.mark.promise(id="SEM-1902")
async def test_a_budget_that_is_used_up_restarts_nobody_whatever_on_error_says() -> None:
    class Stubborn(Caller):
        async def on_error(self, error: Exception, message: Message) -> ErrorAction:
            return ErrorAction.RETRY if message.payload["calls"] == 1 else ErrorAction.ESCALATE

    async with system(Stubborn("caller", budget={"calls": 0})) as runtime:
        for calls in (1, 2):
            with pytest.raises(BudgetExceeded):
                await runtime.ask("caller", {"calls": calls})
        (agent,) = runtime.tree()["children"]
        assert (agent["status"], agent["restarts"]) == ("running", 0)


@pytest.mark.promise(id="SEM-1903")
async def test_all_supervisors_of_an_agent_are_asked() -> None:
    model = answer()
    first = Supervisor(
        "first", [Caller("a"), Caller("b", budget={"calls": 1})], budget={"calls": 4}
    )
    async with system(first, Caller("c"), model=model, budget={"calls": 5}) as runtime:
        with pytest.raises(BudgetExceeded, match="budget of agent 'b'"):
            await runtime.ask("b", {"calls": 2})
        with pytest.raises(BudgetExceeded, match="budget of supervisor 'first'"):
            await runtime.ask("a", {"calls": 9})
        with pytest.raises(BudgetExceeded, match="budget of supervisor 'root'"):
            await runtime.ask("c", {"calls": 9})
        assert len(model.calls) == 5


@pytest.mark.promise(id="SEM-1904")
async def test_many_agents_at_once_make_as_many_calls_as_their_budget_has() -> None:
    model = answer()
    callers = [Caller(f"caller-{n}") for n in range(20)]
    async with system(*callers, model=model, budget={"calls": 33}) as runtime:
        asks = (runtime.ask(each.name, {"calls": 2}) for each in callers)
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert len(model.calls) == 33
        assert {type(each) for each in answers} == {Message, BudgetExceeded}


@pytest.mark.promise(id="SEM-1905")
async def test_what_a_call_used_counts_in_place_of_what_it_was_guessed_to_use() -> None:
    model = answer(read=30, written=10)
    async with system(Caller("caller", budget={"tokens": 100}), model=model) as runtime:
        await runtime.ask("caller", {"calls": 2})
        assert await left(runtime, "agent:caller") == {"tokens": 20}


@pytest.mark.promise(id="SEM-1905")
async def test_no_call_begins_that_needs_more_tokens_than_are_left() -> None:
    # The second is expected to write as much as the first did.
    model = answer(read=2, written=60)
    async with system(Caller("caller", budget={"tokens": 100}), model=model) as runtime:
        with pytest.raises(BudgetExceeded, match="100 tokens, 62 tokens are used"):
            await runtime.ask("caller", {"calls": 2})
        assert len(model.calls) == 1


class Reserving(AgentProcess):
    """Reserves calls that may write 600 tokens, and write 100."""

    async def handle(self, message: Message) -> Message | None:
        spending = self._civitas_running().spending()
        for _ in range(message.payload):
            (await spending.reserve("m", None, 600)).answered(0, 100)
        return self.reply(None)


@pytest.mark.promise(id="SEM-1905")
async def test_what_an_agent_has_in_hand_is_not_lent_to_it_once_more() -> None:
    async with system(Reserving("agent", budget={"tokens": 1000})) as runtime:
        with pytest.raises(BudgetExceeded, match="1000 tokens, 500 tokens are used"):
            await runtime.ask("agent", 9)


@pytest.mark.promise(id="SEM-1906")
async def test_dollars_are_what_the_provider_says() -> None:
    model = answer(cost=0.4)
    async with system(Caller("caller", budget={"usd": 1}), model=model) as runtime:
        with pytest.raises(BudgetExceeded, match=r"\$1, \$0.8 are used"):
            await runtime.ask("caller", {"calls": 3})
        assert len(model.calls) == 2


@pytest.mark.promise(id="SEM-1906")
async def test_dollars_are_what_the_prices_say_where_the_provider_says_nothing() -> None:
    prices = {"m": {"in": 1.0, "out": 10.0}}
    model = answer(read=100_000, written=10_000)
    async with system(Caller("caller", budget={"usd": 1}), model=model, prices=prices) as runtime:
        await runtime.ask("caller", {"calls": 2})
        assert await left(runtime, "agent:caller") == {"usd": pytest.approx(0.6)}


@pytest.mark.promise(id="SEM-1906")
async def test_a_second_call_of_a_model_that_costs_nobody_knows_what_is_refused() -> None:
    class Told(Caller):
        async def on_error(self, error: Exception, message: Message) -> ErrorAction:
            return ErrorAction.SKIP

    model = answer()
    async with system(Told("caller", budget={"usd": 1}), model=model) as runtime:
        with pytest.raises(Exception, match="nobody says what that model costs"):
            await runtime.ask("caller", {"calls": 2})
        assert len(model.calls) == 1


@pytest.mark.promise(id="SEM-1907")
async def test_a_call_that_failed_counts_and_its_tokens_do_not() -> None:
    model = ScriptedModel([ConnectionError("gone")], repeat=True)

    class Told(Caller):
        async def on_error(self, error: Exception, message: Message) -> ErrorAction:
            return ErrorAction.SKIP

    budget = {"calls": 5, "tokens": 100}
    async with system(Told("caller", budget=budget), model=model) as runtime:
        with pytest.raises(Exception, match="gone"):
            await runtime.ask("caller", {"calls": 1})
        assert await left(runtime, "agent:caller") == {"calls": 4, "tokens": 100}


@pytest.mark.promise(id="SEM-1908")
async def test_seconds_are_those_in_handlers() -> None:
    class Slow(AgentProcess):
        async def handle(self, message: Message) -> Message | None:
            self.began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < self.began + 0.02:
                await asyncio.sleep(0)
            return self.reply(None)

    async with system(Slow("slow", budget={"seconds": 0.03})) as runtime:
        await runtime.ask("slow", None)
        (budget,) = await runtime.budgets()
        assert budget["used"]["seconds"] >= 0.02
        with pytest.raises(BudgetExceeded, match=r"0.03 s, .* s are used"):
            for _ in range(3):  # a handler that runs is not ended
                await runtime.ask("slow", None)


@pytest.mark.promise(id="SEM-1909")
async def test_each_conversation_has_its_own_where_the_budget_says_so() -> None:
    agent = Caller("caller", budget={"calls": 1, "per": "conversation"})
    async with system(agent) as runtime:
        for conversation in ("one", "two"):
            await runtime.ask("caller", {"calls": 1}, conversation=conversation)
        with pytest.raises(BudgetExceeded, match="agent 'caller' in conversation 'one'"):
            await runtime.ask("caller", {"calls": 1}, conversation="one")


@pytest.mark.promise(id="SEM-1909")
async def test_each_conversation_of_a_pool_has_the_budget_of_its_agent() -> None:
    pool = ConversationPool("pool", Caller("pool", budget={"calls": 1}))
    async with system(pool) as runtime:
        for conversation in ("one", "two"):
            await runtime.ask("pool", {"calls": 1}, conversation=conversation)
        with pytest.raises(BudgetExceeded, match="budget of agent 'pool/one'"):
            await runtime.ask("pool", {"calls": 1}, conversation="one")


@pytest.mark.promise(id="SEM-1910")
async def test_each_message_has_its_own_where_the_budget_says_so() -> None:
    async with system(Caller("caller", budget={"calls": 2, "per": "message"})) as runtime:
        await runtime.ask("caller", {"calls": 2})
        await runtime.ask("caller", {"calls": 2})
        with pytest.raises(BudgetExceeded, match="agent 'caller' for one message"):
            await runtime.ask("caller", {"calls": 3})
        assert await runtime.budgets() == []


@pytest.mark.promise(id="SEM-1911")
async def test_the_budget_of_a_run_holds_for_all_agents_that_work_for_it() -> None:
    model = answer()
    async with system(Asker("asker"), Caller("caller"), model=model) as runtime:
        budget = {"calls": 2}
        with pytest.raises(BudgetExceeded, match=r"agent 'caller'.* budget of run"):
            await runtime.ask("asker", {"calls": 3}, budget=budget)
        assert len(model.calls) == 2
        await runtime.ask("asker", {"calls": 2}, budget=budget)


@pytest.mark.promise(id="SEM-1910")
async def test_what_an_agent_spends_before_its_first_message_is_not_of_that_one() -> None:
    class Warm(Caller):
        async def on_start(self) -> None:
            assert self.llm is not None
            await self.llm.chat("m", [])

    agent = Warm("caller", budget={"calls": 2, "per": "message"})
    async with system(agent) as runtime:
        await runtime.ask("caller", {"calls": 2})
        with pytest.raises(BudgetExceeded, match=r"'caller'.* budget of run"):
            await runtime.ask("caller", {"calls": 2}, budget={"calls": 1})


@pytest.mark.promise(id="SEM-1911")
async def test_an_agent_that_spent_in_on_start_asks_the_budget_of_its_first_run() -> None:
    class Warm(Caller):
        async def on_start(self) -> None:
            assert self.llm is not None
            await self.llm.chat("m", [])

    async with system(Warm("caller", budget={"calls": 9})) as runtime:
        with pytest.raises(BudgetExceeded, match=r"'caller'.* budget of run"):
            await runtime.ask("caller", {"calls": 2}, budget={"calls": 1})


@pytest.mark.promise(id="SEM-1911")
async def test_a_message_that_is_sent_later_has_the_budget_of_the_run() -> None:
    ended = asyncio.get_running_loop().create_future()

    class Patient(Caller):
        async def handle(self, message: Message) -> Message | None:
            if message.sender != self.name:
                self.send_after(0, self.name, message.payload)
                return self.reply(None)
            try:
                return await super().handle(message)
            except BudgetExceeded as error:
                ended.set_result(error.used)
                raise

    async with system(Patient("patient")) as runtime:
        await runtime.ask("patient", {"calls": 3}, budget={"calls": 2})
        assert await ended == 2


@pytest.mark.promise(id="SEM-1908")
async def test_the_time_between_messages_does_not_count() -> None:
    class Warm(Caller):
        async def on_start(self) -> None:
            assert self.llm is not None
            await self.llm.chat("m", [])

    async with system(Warm("caller", budget={"seconds": 9})) as runtime:
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 0.02:
            await asyncio.sleep(0)
        asked = asyncio.get_running_loop().time()
        await runtime.ask("caller", {"calls": 1})
        took = asyncio.get_running_loop().time() - asked
        (budget,) = await runtime.budgets()
        assert budget["used"]["seconds"] <= took


@pytest.mark.promise(id="SEM-1912")
async def test_a_budget_is_raised_while_the_system_runs() -> None:
    async with system(Caller("caller", budget={"calls": 1})) as runtime:
        await runtime.ask("caller", {"calls": 1})
        await runtime.raise_budget("agent:caller", {"calls": 2})
        await runtime.ask("caller", {"calls": 2})
        with pytest.raises(BudgetExceeded, match="3 calls, 3 calls"):
            await runtime.ask("caller", {"calls": 1})


async def test_an_inspection_has_the_budgets_of_the_agent_and_of_its_supervisors() -> None:
    children = Caller("caller", budget={"calls": 2}), Caller("other", budget={"calls": 1})
    async with system(*children, budget={"usd": 1}) as runtime:
        found = await runtime.inspect("caller")
        assert [each["key"] for each in found["budgets"]] == ["agent:caller", "supervisor:root"]
        assert found["budgets"][0]["left"] == {"calls": 2}


@pytest.mark.parametrize(
    ("key", "more", "problem"),
    [
        ("agent:nobody", {"calls": 1}, "there are: agent:caller"),
        ("agent:caller", {"usd": 1}, "does not limit 'usd'; it limits calls"),
        ("agent:caller", {}, "give a dict such as"),
        ("agent:caller", {"calls": -1}, ">= 0"),
    ],
)
async def test_a_raise_that_does_not_fit_is_refused(
    key: str, more: dict[str, float], problem: str
) -> None:
    async with system(Caller("caller", budget={"calls": 1})) as runtime:
        with pytest.raises(ConfigurationError, match=problem):
            await runtime.raise_budget(key, more)


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        ({"call": 3}, "did you mean 'calls'"),
        ({"calls": 1.5}, "calls must be a whole number >= 0; got 1.5"),
        ({"usd": -1}, "usd must be a number >= 0"),
        ({"usd": True}, "usd must be a number >= 0"),
        ({"per": "message"}, "must limit at least one of calls, tokens, usd, seconds"),
        ({"calls": 1, "per": "day"}, "per must be one of all, conversation, message"),
        ([("calls", 1)], "must be a dict such as"),
    ],
)
def test_a_budget_that_does_not_fit_is_refused(budget: Any, problem: str) -> None:
    for make in (Caller, Supervisor):
        with pytest.raises(ConfigurationError, match=f"'a'.*{problem}"):
            make("a", budget=budget)


def test_prices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'m' must be"):
        system(prices={"m": 3})


def test_what_happens_when_it_is_used_up_is_one_of_two_words() -> None:
    with pytest.raises(ConfigurationError, match="budget_exceeded must be one of refuse, ask"):
        Caller("a", budget_exceeded="explode")


@pytest.mark.promise(id="SEM-1729")
async def test_the_budget_of_each_conversation_is_told_of_an_agent_that_is_looked_into() -> None:
    budget = {"calls": 3, "per": "conversation"}
    async with system(Caller("caller", budget=budget)) as runtime:
        await runtime.ask("caller", {"calls": 1}, conversation="ann")
        await runtime.ask("caller", {"calls": 2}, conversation="bob")
        lines = [str(line) for line in facts(await runtime.inspect("caller"), 0.0)]
    told = [line.strip() for line in lines if "left of the budget of" in line]
    assert told == [
        "2 of 3 calls left of the budget of agent 'caller' in conversation 'ann'",
        "1 of 3 calls left of the budget of agent 'caller' in conversation 'bob'",
    ]

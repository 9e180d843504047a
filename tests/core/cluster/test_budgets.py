"""Budgets that the agents of several nodes spend from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from civitas import AgentProcess, BudgetExceeded, Message, ModelResponse
from civitas.testing import ScriptedModel
from civitas.transport.zmq import ZmqTransport
from tests.core.cluster.nodes import Nodes


class Caller(AgentProcess):
    """Calls its model as often as a message says; `hold` keeps the last call from coming to an end."""

    async def handle(self, message: Message) -> Message | None:
        assert self.llm is not None
        for _ in range(message.payload):
            await self.llm.chat("m", [])
        if message.type == "hold":
            await asyncio.Event().wait()
        return self.reply(None)


def system(model: ScriptedModel, *here: Any, **supervisor: Any) -> Nodes:
    agents = {"one": {"a": Caller, "b": Caller}, "two": {"c": Caller}}
    given, keywords = {"model_provider": model}, {"cancel_on_timeout": True}
    return Nodes(ZmqTransport, agents, *here, given=given, keywords=keywords, **supervisor)


def answer() -> ScriptedModel:
    return ScriptedModel([ModelResponse("a", "m", 3, 4, 0.5)], repeat=True)


async def used(nodes: Nodes, key: str) -> Mapping[str, float]:
    found: Mapping[str, float] = next(
        each["used"] for each in await nodes.runtime.budgets() if each["key"] == key
    )
    return found


@pytest.mark.promise(id="SEM-1914")
async def test_agents_in_several_processes_make_exactly_as_many_calls_as_their_supervisor_has() -> (
    None
):
    model = answer()
    async with system(model, Caller("here"), budget={"calls": 200}) as nodes:
        asks = [nodes.runtime.ask(name, 9) for name in ("a", "b", "c", "here") for _ in range(8)]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert {type(each) for each in answers} == {Message, BudgetExceeded}
        assert len(model.calls) == 200
        assert await used(nodes, "supervisor:top") == {"calls": 200}


@pytest.mark.promise(id="SEM-1914")
async def test_what_one_process_has_in_hand_another_one_gets_when_nothing_else_is_left() -> None:
    model = answer()
    async with system(model, budget={"calls": 200}) as nodes:
        holding = asyncio.create_task(nodes.runtime.ask("a", 1, "hold"))
        while not model.calls:
            await asyncio.sleep(0)
        with pytest.raises(BudgetExceeded, match=r"agent 'c'.*200 calls, 200 calls are used"):
            await nodes.runtime.ask("c", 1000)
        assert len(model.calls) == 200
        holding.cancel()


@pytest.mark.promise(id="SEM-1903")
async def test_an_agent_of_another_process_has_its_own_budget_and_that_of_the_run() -> None:
    model = answer()
    async with Nodes(
        ZmqTransport,
        {"one": {"a": Caller}},
        keywords={"budget": {"calls": 5, "tokens": 1000, "usd": 10}},
        given={"model_provider": model},
    ) as nodes:
        with pytest.raises(BudgetExceeded, match=r"agent 'a'.* budget of run"):
            await nodes.runtime.ask("a", 9, budget={"calls": 2})
        assert await used(nodes, "agent:a") == {"calls": 2, "tokens": 14, "usd": 1.0}
        with pytest.raises(BudgetExceeded, match="budget of agent 'a'"):
            await nodes.runtime.ask("a", 9)
        assert len(model.calls) == 5


class Blocking(AgentProcess):
    """Makes a call that blocks its event loop, and finds that it may not."""

    async def handle(self, message: Message) -> Message | None:
        with pytest.raises(RuntimeError, match="blocks its event loop"):
            self._civitas_running().spending().reserve_at_once("m")
        return self.reply(None)


@pytest.mark.promise(id="SEM-1914")
async def test_what_was_lent_for_a_call_that_cannot_wait_for_it_is_there_for_others() -> None:
    async with Nodes(ZmqTransport, {"one": {"a": Blocking}}, budget={"calls": 2}) as nodes:
        await nodes.runtime.ask("a", None)
        while await used(nodes, "supervisor:top") != {"calls": 0}:
            await asyncio.sleep(0)


@pytest.mark.promise(id="SEM-1915")
async def test_what_a_process_that_died_may_have_spent_counts_as_spent() -> None:
    model = answer()
    async with system(model, budget={"calls": 20}) as nodes:
        dying = asyncio.create_task(nodes.runtime.ask("a", 5, "hold"))
        while len(model.calls) < 5:
            await asyncio.sleep(0)
        await nodes.lose("one")
        with pytest.raises(Exception, match="down"):
            await dying
        with pytest.raises(BudgetExceeded, match="20 calls, 20 calls are used"):
            await nodes.runtime.ask("c", 1000)
        assert len(model.calls) == 20

"""Budgets and prices in a topology."""

from __future__ import annotations

from typing import Any

import pytest

from civitas import AgentProcess, BudgetExceeded, Message, Runtime, TopologyError
from civitas.testing import ScriptedModel


class Caller(AgentProcess):
    async def handle(self, message: Message) -> Message | None:
        assert self.llm is not None
        await self.llm.chat("m", [])
        return self.reply(None)


def topology(agent: Any, **supervision: Any) -> dict[str, Any]:
    children = [{"agent": {"name": "a", "type": "Caller", **agent}}]
    return {
        "prices": {"*": {"in": 1, "out": 2}},
        "supervision": {**supervision, "children": children},
    }


async def test_budgets_and_prices_of_a_topology_hold() -> None:
    config = topology({"budget": {"usd": 1, "per": "conversation"}}, budget={"calls": 1})
    model = ScriptedModel(["x"], repeat=True)
    async with Runtime.from_config(config, {"Caller": Caller}, model_provider=model) as runtime:
        await runtime.ask("a", None)
        with pytest.raises(BudgetExceeded, match="budget of supervisor 'root'"):
            await runtime.ask("a", None)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (topology({"budget": {"cals": 1}}), "did you mean 'calls'"),
        (topology({}, budget={"calls": -1}), "calls must be a whole number >= 0"),
        (topology({"budget_exceeded": "beg"}), "budget_exceeded"),
        ({**topology({}), "prices": {"m": {"in": 1}}}, "'m' must be"),
    ],
)
def test_a_budget_that_does_not_fit_is_a_problem_of_the_topology(
    config: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TopologyError, match=problem):
        Runtime.from_config(config, {"Caller": Caller})

"""What the `AdapterSuite` asks of an adapter about budgets."""

# ruff: noqa: D102  (the name of a test is its sentence)

from __future__ import annotations

from typing import Any

import pytest

from civitas.errors import BudgetExceeded
from civitas.testing.adapter_case import AdapterCase

__all__ = ["BudgetTests"]


class BudgetTests(AdapterCase):
    """The tests about budgets: each call of a model is reserved before it is made."""

    async def test_no_model_is_called_when_the_budget_is_used_up(
        self, run: Any, model: Any
    ) -> None:
        llm = model("first", "second", "third")
        agent = self.agent("a", self.subject(llm, calls=3), budget={"calls": 2})
        async with run(agent) as runtime:
            with pytest.raises(BudgetExceeded, match="agent 'a'") as caught:
                await runtime.ask("a", self.payload("hi"))
            assert (len(llm.seen), caught.value.used, self._restarts(runtime)) == (2, 2, 0)
            with pytest.raises(BudgetExceeded):
                await self._chunks(runtime, "hi")
            assert len(llm.seen) == 2

    async def test_a_human_raises_the_budget_and_a_durable_run_goes_on(
        self, run: Any, model: Any
    ) -> None:
        llm = model("first", "second", "third")
        keywords = {"budget": {"calls": 2}, "budget_exceeded": "ask"}
        agent = self.agent("a", self.subject(llm, calls=3), durable=True, **keywords)
        async with run(agent) as runtime:
            asked = await runtime.ask("a", self.payload("hi"))
            assert (asked.type, len(llm.seen)) == ("interrupt", 2)
            more = {"value": {"raise": {"calls": 1}}}
            reply = await runtime.ask("a", more, "resume", conversation=asked.conversation)
        assert reply.type == "reply"
        assert (self.text(reply.payload), len(llm.seen)) == ("third", 3)

    async def test_what_is_recorded_does_not_count_again(self, run: Any, model: Any) -> None:
        llm = model("first", ConnectionError("gone"), "second")
        agent = self.agent("a", self.subject(llm, calls=2), durable=True, budget={"calls": 3})
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("hi"))
            (budget,) = await runtime.budgets()
            for run_info in runtime.runs():  # a broker that keeps the messages knows of none
                for step in (await runtime.run_info(run_info.run)).steps:  # those it gives a note
                    assert step["seconds"] is not None
                    assert step["kind"] in ("model", "tool", "node")
        assert self.text(reply.payload) == "second"
        assert (budget["used"], len(llm.seen)) == ({"calls": 3}, 3)

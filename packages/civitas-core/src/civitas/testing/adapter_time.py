"""The tests of the `AdapterSuite` about runs that take too long."""

# ruff: noqa: D102  (the name of a test is its sentence)

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from civitas.errors import AskTimeout, HandlerFailed
from civitas.testing.adapter_budgets import BudgetTests
from civitas.testing.adapter_model import HANG

__all__ = ["TimeTests"]


class TimeTests(BudgetTests):
    """They are part of `AdapterSuite`."""

    async def test_a_run_whose_asker_is_gone_ends_and_the_next_message_is_handled(
        self, run: Any, model: Any
    ) -> None:
        llm = model(HANG, "after")
        async with run(self.agent("a", self.subject(llm))) as runtime:
            asking = asyncio.create_task(runtime.ask("a", self.payload("x"), timeout=0.3))
            await asyncio.to_thread(llm.began.wait, 10)
            with pytest.raises(AskTimeout):
                await asking
            began = time.monotonic()
            reply = await runtime.ask("a", self.payload("y"), timeout=10)
        assert self.text(reply.payload) == "after"
        if not self.blocking:
            assert llm.cancelled.wait(10)
        assert time.monotonic() - began < 10

    async def test_a_run_that_hangs_is_ended_by_progress_timeout_and_the_agent_lives(
        self, run: Any, model: Any
    ) -> None:
        llm = model(HANG, "after")
        agent = self.agent("a", self.subject(llm), progress_timeout=0.4)
        async with run(agent) as runtime:
            with pytest.raises(HandlerFailed, match="made no step, token or call") as failed:
                await runtime.ask("a", self.payload("x"))
            assert failed.value.error_type == "NoProgress"
            reply = await runtime.ask("a", self.payload("y"))
            assert self.text(reply.payload) == "after"
            assert self._restarts(runtime) == 0
        if not self.blocking:
            assert llm.cancelled.wait(10)

    async def test_a_durable_run_that_hangs_goes_on_and_repeats_no_finished_call(
        self, run: Any, model: Any
    ) -> None:
        llm = model("first", HANG, "second")
        agent = self.agent("a", self.subject(llm, calls=2), durable=True, progress_timeout=0.4)
        async with run(agent) as runtime:
            reply = await runtime.ask("a", self.payload("x"))
        assert self.text(reply.payload) == "second"
        assert len(llm.seen) == 3

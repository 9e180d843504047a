"""A framework of a few lines, and its adapter: it does what it is told, one order after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Unpack

from civitas.frameworks import (
    FrameworkAgent,
    FrameworkKeywords,
    Interrupted,
    Outcome,
    Run,
    Unfinished,
    idempotency_key,
)


class Overloaded(Exception):
    """The model's provider asks to come back later."""

    status_code = 429

    def __init__(self, after: str = "0.01") -> None:
        self.response = SimpleNamespace(headers={"retry-after": after})


class Refused(Exception):
    """A guardrail."""


class Machine:
    """Remembers across incarnations what it did, and what was to fail.

    Args:
        fails: For an order, what each further try of it raises first.
    """

    def __init__(self, **fails: list[Exception]) -> None:
        self.did: list[str] = []
        self.keys: list[str] = []
        self.fails = fails
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.go_on = asyncio.Event()
        self.draining = False

    async def do(self, order: str) -> str:
        self.did.append(order)
        if failures := self.fails.get(order):
            raise failures.pop(0)
        if order == "hang":
            self.began.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        return order.upper()


class MachineAgent(FrameworkAgent):
    """Its payload is a list of orders; `ask` waits for a human, the reply is what was done and what came before."""

    subject_keyword = "machine"

    def __init__(
        self,
        name: str,
        *,
        machine: Machine | Callable[[], Machine],
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=machine, **keywords)

    def accepts(self, subject: Any) -> bool:
        return isinstance(subject, Machine)

    def expected(self) -> str:
        return "a Machine"

    def outcome(self, error: Exception) -> Outcome:
        return Outcome.ANSWER if isinstance(error, Refused) else super().outcome(error)

    def wind_down(self) -> None:
        self.subject.draining = True

    async def run_framework(self, run: Run) -> Any:
        orders, done, answers = run.payload, [], run.answers or {}
        if run.answers is not None:
            orders, done = run.saved
            done = [*done, *answers.values()]
        elif not isinstance(orders, list):
            self.refuse("payload", "it takes a list of orders")
        for place, order in enumerate(orders):
            if self.subject.draining:
                raise Unfinished
            await run.step(order, f"{place}")
            if order == "ask":
                asked = [{"id": f"{len(done)}", "value": "sure?"}]
                return Interrupted(asked, saved=[orders[place + 1 :], done])
            result = await run.once(f"{place}", self._do, order)
            for letter in result:
                await run.token(letter, f"{place}/text")
            done.append(result)
        before = run.history or []
        run.history = [*before, *done]
        return {"done": done, "before": before}

    async def _do(self, order: str) -> str:
        self.subject.keys.append(idempotency_key())
        result: str = await self.subject.do(order)
        return result

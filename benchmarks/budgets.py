"""What it costs to reserve a call of a model, and to say what it used."""

from __future__ import annotations

import threading
import time

from benchmarks.harness import Benchmark, at_most, in_loop
from civitas import AgentProcess, Message, Runtime, Supervisor

__all__ = ["CHECK"]

_CALLS = 2000
_BUDGET = {"calls": 10**9, "tokens": 10**15, "usd": 10**9}
_PROMPT = [{"role": "user", "content": "x" * 400}] * 10


class _Reserves(AgentProcess):
    """Reserves calls of a model that it never makes."""

    async def handle(self, message: Message) -> Message:
        spending = self._civitas_running().spending()
        started = time.process_time()
        for _ in range(_CALLS):
            with await spending.reserve("m", _PROMPT) as reservation:
                reservation.answered(1000, 10)
        return self.reply((time.process_time() - started) / _CALLS * 1e6)


async def _check() -> float:
    """Microseconds of processor time for a call that counts against two budgets, of three things each."""
    tree = Supervisor("root", [_Reserves("a", budget=_BUDGET)], budget=_BUDGET)
    async with Runtime(tree, prices={"m": {"in": 1, "out": 10}}) as runtime:
        microseconds: float = (await runtime.ask("a", None)).payload
    return microseconds


async def _lock() -> float:
    """The least that keeps two threads apart: a lock, and a number that is compared and counted down."""
    lock, left = threading.Lock(), 10**9
    started = time.process_time()
    for _ in range(_CALLS):
        with lock:
            if left >= 1:
                left -= 1
    return (time.process_time() - started) / _CALLS * 1e6


CHECK = Benchmark(
    "a call of a model, reserved",
    "µs",
    {"limit": in_loop(_lock), "civitas": in_loop(_check)},
    at_most(20, "µs"),
)

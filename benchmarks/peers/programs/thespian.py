"""Thespian: `multiprocTCPBase`, where each actor is an OS process, and `simpleSystemBase`, where all share one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from thespian.actors import Actor, ActorSystem

from benchmarks.peers import line

_LONGEST = timedelta(seconds=60)


class Echo(Actor):
    """Answers what is asked."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - its name for it
        """Answer, unless nobody waits."""
        if message != "told":
            self.send(sender, message)


def _with(base: str, work: Callable[[Any, Any, int], None]) -> line.Work:
    async def measured(size: int) -> float:
        system = ActorSystem(base)
        try:
            echo = system.createActor(Echo)
            assert system.ask(echo, line.PAYLOAD, _LONGEST)
            started = time.perf_counter()
            work(system, echo, size)
            return time.perf_counter() - started
        finally:
            system.shutdown()

    return measured


def ask(system: Any, echo: Any, size: int) -> None:
    """One ask after another."""
    for _ in range(size):
        assert system.ask(echo, line.PAYLOAD, _LONGEST)


def send(system: Any, echo: Any, size: int) -> None:
    """Sends, until all are handled."""
    for _ in range(size):
        system.tell(echo, "told")
    assert system.ask(echo, line.PAYLOAD, _LONGEST)


if __name__ == "__main__":
    in_one, apart = "simpleSystemBase", "multiprocTCPBase"
    works = {"ask": _with(in_one, ask), "send": _with(in_one, send), "far-ask": _with(apart, ask)}
    line.main(line.simply(works), "thespian")

"""Thespian: `multiprocTCPBase`, where each actor is an OS process, and `simpleSystemBase`, where all share one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from thespian.actors import Actor, ActorSystem

from benchmarks.peers import line

_LONGEST = timedelta(seconds=60)
_ALL = "all"


class Echo(Actor):
    """Answers what is asked."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - its name for it
        """Answer."""
        self.send(sender, message)


class Sink(Actor):
    """Answers nothing but whether all is handled."""

    def receiveMessage(self, message: Any, sender: Any) -> None:  # noqa: N802 - its name for it
        """Answer if somebody waits."""
        if message == _ALL:
            self.send(sender, message)


def _with(base: str, actor: type[Actor], work: Callable[[Any, Any, int], None]) -> line.Work:
    async def measured(size: int) -> float:
        system = ActorSystem(base)
        try:
            one = system.createActor(actor)
            assert system.ask(one, _ALL, _LONGEST)
            started = time.perf_counter()
            work(system, one, size)
            return time.perf_counter() - started
        finally:
            system.shutdown()

    return measured


def ask(system: Any, echo: Any, size: int) -> None:
    """One ask after another."""
    for _ in range(size):
        assert system.ask(echo, line.PAYLOAD, _LONGEST)


def send(system: Any, sink: Any, size: int) -> None:
    """Sends, until all are handled."""
    for _ in range(size):
        system.tell(sink, line.PAYLOAD)
    assert system.ask(sink, _ALL, _LONGEST)


async def start(size: int) -> float:
    """Actors, until each has answered."""
    system = ActorSystem("simpleSystemBase")
    try:
        started = time.perf_counter()
        for _ in range(size):
            assert system.ask(system.createActor(Echo), line.PAYLOAD, _LONGEST)
        return time.perf_counter() - started
    finally:
        system.shutdown()


if __name__ == "__main__":
    in_one, apart = "simpleSystemBase", "multiprocTCPBase"
    works = {
        "ask": _with(in_one, Echo, ask),
        "send": _with(in_one, Sink, send),
        "start": start,
        "far-ask": _with(apart, Echo, ask),
        "far-send": _with(apart, Sink, send),
    }
    line.main(line.simply(works), "thespian")

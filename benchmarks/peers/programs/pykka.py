"""pykka: each actor is a thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pykka

from benchmarks.peers import line


class Actor(pykka.ThreadingActor):
    """Answers with what it was asked."""

    use_daemon_thread = True

    def on_receive(self, message: Any) -> Any:
        """Answer."""
        return message


@contextmanager
def _actors(count: int) -> Iterator[list[Any]]:
    try:
        yield [Actor.start() for _ in range(count)]
    finally:
        pykka.ActorRegistry.stop_all()


async def ask(size: int) -> float:
    """One ask after another."""
    with _actors(1) as (actor,):
        started = time.perf_counter()
        for _ in range(size):
            assert actor.ask(line.PAYLOAD)
        return time.perf_counter() - started


async def send(size: int) -> float:
    """Sends, until all are handled."""
    with _actors(1) as (actor,):
        started = time.perf_counter()
        for _ in range(size):
            actor.tell(line.PAYLOAD)
        assert actor.ask(line.PAYLOAD)
        return time.perf_counter() - started


async def crowd(size: int) -> float:
    """A hundred asks at once, each to an actor of its own."""
    with _actors(line.AGENTS) as actors:
        started = time.perf_counter()
        for _ in range(size // line.AGENTS):
            pykka.get_all([actor.ask(line.PAYLOAD, block=False) for actor in actors])
        return time.perf_counter() - started


async def start(size: int) -> float:
    """Actors, until each has answered."""
    started = time.perf_counter()
    with _actors(size) as actors:
        pykka.get_all([actor.ask(line.PAYLOAD, block=False) for actor in actors])
        return time.perf_counter() - started


if __name__ == "__main__":
    works = {each.__name__: each for each in (ask, send, crowd, start)}
    line.main(line.simply(works), "pykka")

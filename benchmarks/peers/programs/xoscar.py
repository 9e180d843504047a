"""Xoscar: actors in the main process of a pool, and in another process of it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import xoscar

from benchmarks.peers import line

_LONGEST = 30.0


class Echo(xoscar.Actor):
    """Answers with what it was asked."""

    async def echo(self, payload: Any) -> Any:
        """Answer."""
        return payload

    async def pid(self) -> int:
        """Its process."""
        return os.getpid()


async def _near(here: str, count: int) -> list[Any]:
    return [await xoscar.create_actor(Echo, address=here) for _ in range(count)]


async def _far(here: str) -> Any:
    where = xoscar.allocate_strategy.ProcessIndex(1)
    return await xoscar.create_actor(Echo, address=here, allocate_strategy=where)


async def _asks(echo: Any, size: int) -> float:
    await echo.echo(line.PAYLOAD)
    started = time.perf_counter()
    for _ in range(size):
        await echo.echo(line.PAYLOAD)
    return time.perf_counter() - started


async def _sends(echo: Any, size: int) -> float:
    await echo.echo(line.PAYLOAD)
    started = time.perf_counter()
    for _ in range(size):
        await echo.echo.tell(line.PAYLOAD)
    await echo.echo(line.PAYLOAD)
    return time.perf_counter() - started


async def _kill(actor: Any, size: int) -> float:
    seconds = 0.0
    for _ in range(size):
        pid = again = await actor.pid()
        started = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while again == pid and time.perf_counter() < started + _LONGEST:
            try:
                again = await actor.pid()
            except (xoscar.ActorNotExist, xoscar.ServerClosed, OSError):
                await asyncio.sleep(0.001)  # it is not there yet
        assert again != pid, f"the actor was not back within {_LONGEST:g} s"
        seconds += time.perf_counter() - started
    return seconds


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=1)
    here = pool.external_address

    async def ask(size: int) -> float:
        """One ask after another."""
        return await _asks(*await _near(here, 1), size)

    async def far_ask(size: int) -> float:
        """The same of an actor in another process."""
        return await _asks(await _far(here), size)

    async def send(size: int) -> float:
        """Sends, until all are handled."""
        return await _sends(*await _near(here, 1), size)

    async def far_send(size: int) -> float:
        """The same to an actor in another process."""
        return await _sends(await _far(here), size)

    async def crowd(size: int) -> float:
        """A hundred asks at once, each of an actor of its own."""
        echoes = await _near(here, line.AGENTS)
        started = time.perf_counter()
        for _ in range(size // line.AGENTS):
            await asyncio.gather(*(echo.echo(line.PAYLOAD) for echo in echoes))
        return time.perf_counter() - started

    async def start(size: int) -> float:
        """Actors, until each has answered."""
        started = time.perf_counter()
        echoes = await _near(here, size)
        await asyncio.gather(*(echo.echo(line.PAYLOAD) for echo in echoes))
        spent = time.perf_counter() - started
        await asyncio.gather(*map(xoscar.destroy_actor, echoes))
        return spent

    async def kill(size: int) -> float:
        """From `kill -9` of the process of an actor until its next answer."""
        return await _kill(await _far(here), size)

    async with pool:
        works = {"ask": ask, "send": send, "crowd": crowd, "start": start}
        yield works | {"far-ask": far_ask, "far-send": far_send, "kill": kill}


if __name__ == "__main__":
    line.main(_opened, "xoscar", "uvloop")

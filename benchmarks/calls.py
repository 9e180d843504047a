"""Count the Python calls on the root's side of an ask to a worker, and of a crash there.

    .venv/bin/python -m benchmarks.calls [--names]

Counted is what Civitas calls of its own, the carrier and the log included, in a real system of two OS processes. An
ask counts from `ask` to its answer. A crash counts from the moment in which the handler of a message from the root
raises to the one in which the root tells of the restart; the sending of that message is over by then, and no part of
it. A coroutine counts once, however often the event loop resumes it. `--names` lists the calls.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import civitas
from civitas import AgentProcess, Message, Runtime

__all__ = ["Calls", "Fragile", "count", "counted"]

_OURS = f"{Path(civitas.__file__).parent}/"
_CARRIER = "transport/"
_TIMES = 20


class Fragile(AgentProcess):
    """Answers with its pid; or crashes, as soon as there is a signal."""

    async def on_start(self) -> None:
        """Wait for the signal."""
        self.signalled = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.signalled.set)

    async def handle(self, message: Message) -> Message:
        """Answer or crash."""
        if message.type == "crash":
            await self.signalled.wait()
            raise ValueError("as it was told")
        return self.reply(os.getpid())


@dataclass
class Calls:
    """What was called.

    Attributes:
        names: File and name of each function, and how often it was called.
    """

    names: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.names.total()

    @property
    def carrier(self) -> int:
        """How many of them the carrier made, or had made."""
        return sum(n for name, n in self.names.items() if name.startswith(_CARRIER))


async def counted(
    what: Callable[[], Awaitable[object]], before: Callable[[], Awaitable[object]] | None = None
) -> Calls:
    """The calls of the run with the fewest: whatever else was due meanwhile is no part of it."""
    runs = []
    for _ in range(_TIMES):
        if before is not None:
            await before()
        calls, seen = Calls(), set[FrameType]()

        def note(
            frame: FrameType,
            event: str,
            _: object,
            calls: Calls = calls,
            seen: set[FrameType] = seen,
        ) -> None:
            file = frame.f_code.co_filename
            if event == "call" and file.startswith(_OURS) and frame not in seen:
                seen.add(frame)  # which keeps it, so that no other has its place in memory
                calls.names[f"{file.removeprefix(_OURS)}:{frame.f_code.co_qualname}"] += 1

        sys.setprofile(note)
        try:
            await what()
        finally:
            sys.setprofile(None)
        runs.append(calls)
        await asyncio.sleep(0.01)
    return min(runs, key=lambda calls: calls.total)


async def count() -> dict[str, Calls]:
    """The calls at the root for `ask` and for `crash`."""
    agent = {"name": "far", "type": "benchmarks.calls.Fragile", "process": "worker"}
    top: dict[str, Any] = {"name": "top", "backoff": "none", "max_restarts": 1000}
    topology = {"name": "calls", "supervision": {**top, "children": [{"agent": agent}]}}
    async with Runtime.from_config(topology) as runtime:
        back: asyncio.Queue[object] = asyncio.Queue()
        runtime.on("restarted", back.put_nowait)

        pid = (await runtime.ask("far", 1)).payload

        async def ask() -> None:
            await runtime.ask("far", 1)

        async def prepare() -> None:
            await runtime.send("far", 1, "crash")
            await asyncio.sleep(0.01)

        async def crash() -> None:
            os.kill(pid, signal.SIGUSR1)
            await back.get()

        for each in (ask, prepare, crash, ask):
            await each()
        return {"ask": await counted(ask), "crash": await counted(crash, before=prepare)}


def main() -> None:
    """Print both figures."""
    logging.getLogger("civitas").addHandler(logging.NullHandler())  # made and not shown
    for what, calls in asyncio.run(count()).items():
        print(f"{what}: {calls.total} calls at the root, {calls.carrier} of them of the carrier")
        if "--names" in sys.argv:
            for name, times in calls.names.items():
                print(f"  {times:3} {name}")


if __name__ == "__main__":
    main()

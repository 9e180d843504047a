"""Count the Python calls on the root's side of an ask to a worker, and of a crash there.

    .venv/bin/python -m benchmarks.calls [--names]

Counted is what Civitas calls of its own, in a real system of two OS processes, from the ask to its answer and from the
message that causes a crash to the restart. A coroutine counts once, however often the event loop resumes it. Apart from
that stands what the carrier does, most of which the event loop calls. `--names` lists the calls.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import civitas
from civitas import AgentProcess, Message, Runtime

__all__ = ["Calls", "Fragile", "count"]

_OURS = f"{Path(civitas.__file__).parent}/"
_CARRIER = "transport/"
_TIMES = 20


class Fragile(AgentProcess):
    """Answers, or crashes when told to."""

    async def handle(self, message: Message) -> Message:
        """Answer or crash."""
        if message.type == "crash":
            raise ValueError("as it was told")
        return self.reply(message.payload)


@dataclass
class Calls:
    """What was called.

    Attributes:
        names: File and name of each function, and how often it was called.
    """

    names: Counter[str] = field(default_factory=Counter)

    @property
    def node(self) -> int:
        """How many calls were made outside the carrier."""
        return sum(n for name, n in self.names.items() if not name.startswith(_CARRIER))

    @property
    def carrier(self) -> int:
        """How many the carrier made, or had made."""
        return self.names.total() - self.node


async def _counted(what: Callable[[], Awaitable[object]]) -> Calls:
    """The calls of the run with the fewest: whatever else was due meanwhile is no part of it."""
    runs = []
    for _ in range(_TIMES):
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
    return min(runs, key=lambda calls: calls.node)


async def count() -> dict[str, Calls]:
    """The calls at the root for `ask` and for `crash`."""
    agent = {"name": "far", "type": "benchmarks.calls.Fragile", "process": "worker"}
    top: dict[str, Any] = {"name": "top", "backoff": "none", "max_restarts": 1000}
    topology = {"name": "calls", "supervision": {**top, "children": [{"agent": agent}]}}
    async with Runtime.from_config(topology) as runtime:
        back: asyncio.Queue[object] = asyncio.Queue()
        runtime.on("restarted", back.put_nowait)

        async def ask() -> None:
            await runtime.ask("far", 1)

        async def crash() -> None:
            await runtime.send("far", 1, "crash")
            await back.get()

        for each in (ask, crash, ask):
            await each()
        return {"ask": await _counted(ask), "crash": await _counted(crash)}


def main() -> None:
    """Print both figures."""
    logging.getLogger("civitas").setLevel(logging.CRITICAL)
    for what, calls in asyncio.run(count()).items():
        print(f"{what}: {calls.node} calls at the root, and {calls.carrier} of the carrier")
        if "--names" in sys.argv:
            for name, times in calls.names.items():
                print(f"  {times:3} {name}")


if __name__ == "__main__":
    main()

"""Count the Python calls on the root's side of an ask to a worker, and of a crash there.

    .venv/bin/python -m benchmarks.calls [--names]

Calls of the event loop itself (asyncio, selectors) are left out, as is what an agent of the user would do. A call that
is resumed counts again. `--names` lists what was called, so that a figure that grew can be looked into.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

from civitas import AgentProcess, ErrorAction, Message, Runtime

_LOOP = tuple(str(Path(module.__file__ or "").parent) for module in (asyncio,))
_LOOP_FILES = ("selectors.py", "benchmarks/calls.py", "<frozen")
_TIMES = 20

Names = Counter[str]


class Worker(AgentProcess):
    """Answers, or crashes."""

    async def handle(self, message: Message) -> Message | None:
        """Answer `message`, or fail."""
        if message.type == "crash":
            raise ValueError("as it was told")
        return self.reply(message.payload)

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        """Always crash."""
        return ErrorAction.ESCALATE


def topology() -> dict[str, Any]:
    """One agent in a process of its own."""
    agent = {"name": "far", "type": "benchmarks.calls.Worker", "process": "worker"}
    supervision = {
        "name": "top",
        "max_restarts": 10_000,
        "backoff": "none",
        "children": [{"agent": agent}],
    }
    return {"name": "count-calls", "supervision": supervision}


async def counted(what: Callable[[], Awaitable[object]]) -> Names:
    """The calls of the fewest among some runs: what else is due in a run is no part of it."""
    fewest: Names | None = None
    for _ in range(_TIMES):
        names = Names()

        def note(frame: FrameType, event: str, _: object, names: Names = names) -> None:
            code = frame.f_code
            file = code.co_filename
            if event == "call" and not file.startswith(_LOOP) and not file.endswith(_LOOP_FILES):
                names[f"{Path(file).parent.name}/{Path(file).name}:{code.co_qualname}"] += 1

        sys.setprofile(note)
        try:
            await what()
        finally:
            sys.setprofile(None)
        if fewest is None or names.total() < fewest.total():
            fewest = names
        await asyncio.sleep(0.01)
    assert fewest is not None
    return fewest


async def count() -> tuple[Names, Names]:
    """What is called for an ask, and for a crash from the message that causes it to the restart."""
    async with Runtime.from_config(topology()) as runtime:
        back: asyncio.Queue[object] = asyncio.Queue()
        runtime.on("restarted", back.put_nowait)

        async def ask() -> None:
            await runtime.ask("far", 1)

        async def crash() -> None:
            await runtime.send("far", 1, "crash")
            await back.get()

        for each in (ask, crash, ask):
            await each()
        return await counted(ask), await counted(crash)


def main() -> None:
    """Print both figures."""
    ask, crash = asyncio.run(count())
    for what, names in (("an ask to a worker", ask), ("a crash in a worker", crash)):
        print(
            f"{what}: {names.total()} calls through {len({n.partition(':')[0] for n in names})} modules"
        )
        if "--names" in sys.argv:
            for name, times in names.items():
                print(f"  {times:3} {name}")


if __name__ == "__main__":
    main()

"""A program with an agent that has a schedule, which kills itself at a write into its state file.

Its arguments: the state file, at which write it ends, and whether before that or after it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor

EVERY = 0.05


class Worker(AgentProcess):
    """Tells when it was due."""

    async def handle(self, message: Message) -> None:
        due = message.payload["due"].timestamp()
        os.write(1, f"{due:.6f} {message.payload['missed']} {message.attempt}\n".encode())


class Killing(SQLiteStateStore):
    """Ends its program at a write, by the signal that nobody can catch."""

    def __init__(self, file: Path, at: int, *, before: bool) -> None:
        super().__init__(file)
        self.left, self.before = at, before

    async def _around(self, write: Callable[[], Awaitable[Any]]) -> Any:
        self.left -= 1
        if self.left == 0 and self.before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await write()
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    async def set(self, key: str, value: Any) -> None:
        await self._around(lambda: super(Killing, self).set(key, value))

    async def write(self, changes: Any, **keywords: Any) -> Any:
        return await self._around(lambda: super(Killing, self).write(changes, **keywords))


async def main(file: Path, at: int, *, before: bool) -> None:
    """Run until it is killed."""
    worker = Worker("a", every=EVERY, missed="all", delivery="durable")
    store = Killing(file, at, before=before)
    async with Runtime(Supervisor("root", [worker]), state_store=store) as runtime:
        await runtime.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), before=sys.argv[3] == "before"))

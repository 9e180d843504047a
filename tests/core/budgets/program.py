"""A program that is killed in the middle of calls of its model; it tells each call on its output.

Its arguments: the state file, and the calls, counted over all starts, in which it kills itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from civitas import (
    AgentProcess,
    CivitasError,
    Message,
    ModelResponse,
    Runtime,
    SQLiteStateStore,
    Supervisor,
)

__all__ = ["LIMIT"]

LIMIT = 10


def tell(*words: object) -> None:
    """Write a line, whole, that a kill of this program cannot take back."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Model:
    """Answers, or kills the program."""

    def __init__(self, file: Path, kills: set[str]) -> None:
        self._file = file
        self._kills = kills

    async def chat(self, model: str, *_: Any) -> ModelResponse:
        with self._file.open("a") as calls:
            calls.write("x")
        number = str(self._file.stat().st_size)
        tell("call", number)
        if number in self._kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return ModelResponse("a")


class Writer(AgentProcess):
    """Calls its model for each of 20 chapters, once."""

    async def handle(self, message: Message) -> Message:
        for chapter in range(20):
            await self.step(f"chapter {chapter}", self.write)
        return self.reply("done")

    async def write(self) -> None:
        assert self.llm is not None
        await self.llm.chat("m", [])


async def main(file: Path, *kills: str) -> None:
    """Begin the run, or go on with it, and tell its end."""
    model = Model(file.with_suffix(".calls"), set(kills))
    writer = Writer("writer", delivery="durable", budget={"calls": LIMIT})
    store = SQLiteStateStore(file)
    tree = Supervisor("root", [writer])
    async with Runtime(tree, state_store=store, model_provider=model) as runtime:
        try:
            await runtime.ask("writer", "a book", run="book", timeout=10)
        except CivitasError as error:
            tell(type(error).__name__, *[getattr(error, "used", error)])
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))

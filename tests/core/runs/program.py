"""A program with durable agents that can be killed at any moment; it tells on its output what it did.

Its arguments: the state file, and how often this program was started before.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from civitas.errors import CivitasError
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import ConversationPool, Supervisor

MESSAGES = 40


def tell(*words: object) -> None:
    """Write a line, whole, that a kill of this program cannot take back."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Handler(AgentProcess):
    """Kills its program at `poison` each time, and at `10` once."""

    async def handle(self, message: Message) -> Message:
        tell("handles", self.name, message.payload, message.attempt)
        if message.payload == "poison" or (message.payload == 10 and not message.attempt):
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0)
        return self.reply(message.payload)


async def main(file: Path, start: int) -> None:
    """Send in the first start; wait for the end of all in each."""
    agent = Handler("a", delivery="durable")
    pool = ConversationPool("p", Handler("p", delivery="durable"))
    store = SQLiteStateStore(file)
    async with Runtime(Supervisor("root", [agent, pool]), state_store=store) as runtime:
        if start == 0:

            async def send(to: str, payload: object, **keywords: str) -> None:
                await runtime.send(to, payload, **keywords)  # type: ignore[arg-type]
                tell("accepted", to, payload)

            await asyncio.gather(
                *(send("p", f"{c} {n}", conversation=c) for n in range(5) for c in "xyz"),
                *(send("a", n) for n in range(MESSAGES)),
                send("a", "poison", run="poison"),
                send("a", "last", run="last"),
            )
        tell("last", (await runtime.result("last", timeout=10)).payload)
        while runtime.runs("accepted") or runtime.runs("running"):
            await asyncio.sleep(0)
        try:
            await runtime.result("poison")
        except CivitasError as error:
            tell("poison", getattr(error, "error_type", ""))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))

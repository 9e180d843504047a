"""A program that accepts and answers messages as fast as it can, until it is killed; it tells each.

Its argument: the state file. A line names what was accepted or answered, and the length that the log of the file has.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import ConversationPool, Supervisor

SENDERS = 8


class Answers(AgentProcess):
    """Answers with what it was sent."""

    async def handle(self, message: Message) -> Message:
        return self.reply(message.payload)


async def main(file: Path) -> None:
    """Ask and send for ever."""
    pool = ConversationPool("p", Answers("p", delivery="durable", mailbox_size=5))
    log = f"{file}-wal"
    async with Runtime(Supervisor("root", [pool]), state_store=SQLiteStateStore(file)) as runtime:

        async def go_on(sender: int) -> None:
            number = 0
            while True:
                number += 1
                run, text = f"{sender}-{number}", "x" * (100 * number % 9000)
                payload = {"run": run, "text": text}
                if number % 2:
                    await runtime.send("p", payload, run=run, conversation=str(sender))
                    what = "accepted"
                else:
                    await runtime.ask("p", payload, run=run, conversation=str(sender))
                    what = "answered"
                os.write(1, f"{what} {run} {os.stat(log).st_size}\n".encode())  # noqa: PTH116

        await asyncio.gather(*map(go_on, range(SENDERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

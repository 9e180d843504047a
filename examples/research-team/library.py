"""The library, in a process of its own: whatever is read goes through it."""

import asyncio
import os
from urllib.request import urlopen

from civitas import AgentProcess, Message

SHELF = os.environ.get("SHELF", "http://127.0.0.1:8801")


def read(source: str) -> str:
    try:
        with urlopen(f"{SHELF}/{source}", timeout=30) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except OSError as error:  # the others can still be read
        return f"{source} cannot be read: {error}"


class Library(AgentProcess):
    """Reads a source. Whoever asks by the same name again gets what was read the first time."""

    async def handle(self, message: Message) -> Message:
        return self.reply(await asyncio.to_thread(read, message.payload["source"]))

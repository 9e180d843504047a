"""The library, in a process of its own: whatever is read goes through it, once."""

import asyncio
import os
from urllib.request import urlopen

from civitas import AgentProcess, Message

SHELF = os.environ.get("SHELF", "http://127.0.0.1:8801")


class Library(AgentProcess):
    """Fetches a source. Each is a run under its own name, so the store has the text for whoever asks later."""

    async def handle(self, message: Message) -> Message:
        return self.reply(await self.step("fetch", self.fetch, message.payload["source"]))

    async def fetch(self, source: str) -> str:
        def read() -> str:
            with urlopen(f"{SHELF}/{source}", timeout=30) as answer:  # noqa: S310
                text: str = answer.read().decode()
                return text

        return await asyncio.to_thread(read)

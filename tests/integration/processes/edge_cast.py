"""An agent behind the HTTP edge, in an OS process of its own."""

from __future__ import annotations

import asyncio

from civitas import AgentProcess, Message


class Teller(AgentProcess):
    """Emits a word and waits to be killed; the next incarnation emits another one and answers."""

    async def handle(self, message: Message) -> Message:
        await self.emit({"text": f"try {message.attempt}"}, "token")
        if message.attempt == 0:
            await asyncio.Event().wait()
        return self.reply({"output": "done"})

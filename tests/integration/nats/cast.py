"""Agents for the tests over NATS; the workers import them from here."""

from __future__ import annotations

import asyncio
import os
import signal

from civitas import Message
from tests.integration.processes.cast import Actor


class Traveller(Actor):
    """An actor that also tells the reader of a stream so many numbers, or kills its process, but once."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "count":
                for n in range(message.payload):
                    await self.emit(n)
                return self.reply("told")
            case "die once":
                if message.attempt == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    await asyncio.Event().wait()
                return self.reply(message.attempt)
        return await super().handle(message)

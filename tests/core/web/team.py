"""A small team for the page: one that crashes, one that is busy, one that asks a person."""

from __future__ import annotations

import asyncio

from civitas import AgentProcess, Message

NASTY = "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>"


class Worker(AgentProcess):
    """Does what the type of its message says."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "crash":
                raise ValueError(str(message.payload))
            case "hold":
                await self.step(message.payload or "read the invoices", lambda: None)
                assert self.llm is not None
                await self.llm.chat("m", [{"role": "user", "content": "Is it right?"}])
                await asyncio.Event().wait()
            case "keep":
                self.state = message.payload
            case "question":
                question = {"id": "q1", "value": message.payload}
                return self.reply({"interrupts": [question]}, "interrupt")
            case "resume":
                return self.reply(message.payload["value"])
        return self.reply(message.payload)

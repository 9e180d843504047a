"""A bakery on two machines: a desk that takes orders, and an oven elsewhere."""

import asyncio

from civitas import AgentProcess, Message


class Desk(AgentProcess):
    """Takes orders, beside the root. A send returns when the NATS server has the message."""

    async def handle(self, message: Message) -> Message:
        loaves = range(message.payload["loaves"])
        await asyncio.gather(*(self.send("oven", {"loaf": loaf}) for loaf in loaves))
        return self.reply({"accepted": len(loaves)})


class Oven(AgentProcess):
    """Bakes each loaf once, on a machine that may vanish."""

    async def on_start(self) -> None:
        self.state.setdefault("baked", [])

    async def handle(self, message: Message) -> None:
        loaf = message.payload["loaf"]
        if (
            loaf not in self.state["baked"]
        ):  # one that was in hand when the machine vanished comes again
            await asyncio.sleep(0.1)
            self.state["baked"].append(loaf)
            await self.checkpoint()

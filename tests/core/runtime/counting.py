"""An agent for topologies."""

from __future__ import annotations

from civitas import AgentProcess, Message


class Counts(AgentProcess):
    """Counts its messages, also over restarts."""

    async def handle(self, message: Message) -> Message:
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state["n"])

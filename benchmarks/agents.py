"""The agents that the benchmarks run."""

from __future__ import annotations

import asyncio

from civitas import AgentProcess, Message, Supervisor

__all__ = ["Echo", "Fragile", "Saver", "Sink", "echoes"]


class Echo(AgentProcess):
    """Answers with what it was asked."""

    async def handle(self, message: Message) -> Message:
        """Answer."""
        return self.reply(message.payload)


class Sink(AgentProcess):
    """Reads what it gets, and says when it was all."""

    def __init__(self, name: str, expected: int, done: asyncio.Event) -> None:
        super().__init__(name)
        self.left = expected
        self.done = done

    async def handle(self, message: Message) -> None:
        """Read and count."""
        assert message.payload
        self.left -= 1
        if not self.left:
            self.done.set()


class Fragile(AgentProcess):
    """Answers, or crashes when told to."""

    async def handle(self, message: Message) -> Message:
        """Answer or crash."""
        if message.type == "crash":
            raise ValueError("as told")
        return self.reply(message.payload)


class Saver(AgentProcess):
    """Saves its state, or makes steps, as often as one message says."""

    async def handle(self, message: Message) -> Message:
        """Work, and answer with the number of errors."""
        errors = 0
        for number in range(message.payload):
            try:
                if message.type == "steps":
                    await self.step(f"step {number}", lambda: {"n": 1})
                else:
                    self.state["n"] = number
                    await self.checkpoint()
            except Exception:
                errors += 1
        return self.reply(errors)


def echoes(count: int) -> Supervisor:
    """A supervisor over that many of them."""
    return Supervisor("root", children=[Echo(f"e{number}") for number in range(count)])

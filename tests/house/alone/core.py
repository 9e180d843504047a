"""The core alone: a counter that crashes, comes back with its state, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util

from civitas import AgentProcess, HandlerFailed, Message, Runtime, Supervisor


class Counter(AgentProcess):
    """Counts, and crashes when told to."""

    async def handle(self, message: Message) -> Message:
        if message.type == "crash":
            raise ValueError("as told")
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state)


async def main() -> None:
    async with Runtime(Supervisor("root", children=[Counter("counter")])) as runtime:
        await runtime.ask("counter", {})
        with contextlib.suppress(HandlerFailed):
            await runtime.ask("counter", {}, "crash")
        assert (await runtime.ask("counter", {})).payload == {"n": 2}


asyncio.run(main())
frameworks = ["langgraph", "agents", "openai", "crewai", "pytest"]
assert not [name for name in frameworks if importlib.util.find_spec(name)]
print("works alone")

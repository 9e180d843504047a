"""What steps ask of the StateStore."""

from __future__ import annotations

from typing import Any

from civitas import AgentProcess, InMemoryStateStore, Message, Runtime, Supervisor


class Counted(InMemoryStateStore):
    """Counts what it is asked about steps."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def get(self, key: str) -> dict[str, Any] | None:
        if key.startswith("civitas:step:"):
            self.asked.append("get")
        return await super().get(key)

    async def keys(self, prefix: str = "") -> list[str]:
        self.asked.append("keys")
        return await super().keys(prefix)


class Stepping(AgentProcess):
    async def handle(self, message: Message) -> Message:
        results = [await self.step(f"step {each}", lambda: message.payload) for each in range(5)]
        results.append(await self.step("step 0", lambda: "not again"))
        return self.reply(results)


async def test_a_new_message_with_many_steps_asks_once_what_is_recorded() -> None:
    store = Counted()
    async with Runtime(Supervisor("root", children=[Stepping("a")]), state_store=store) as runtime:
        reply = await runtime.ask("a", 7)
        assert reply.payload == [7] * 6
        assert store.asked == ["keys", "get"]  # the one look is for the step made a second time
    assert await store.keys("civitas:step:") == []

"""What steps ask of the StateStore."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

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
        store.asked.clear()
        reply = await runtime.ask("a", 7)
        assert reply.payload == [7] * 6
        assert store.asked == ["keys", "get"]  # the one look is for the step made a second time
    assert await store.keys("civitas:step:") == []


class Sender:
    """The node that a message came from, and which is told in its own time that it is finished."""

    def __init__(self, *, is_there: bool = True) -> None:
        self.told, self.asked = asyncio.Event(), asyncio.Event()
        self.is_there = is_there

    def began(self, agent: str) -> None: ...
    def settled(self) -> None: ...
    def left(self) -> None: ...

    async def heard(self) -> bool:
        self.asked.set()
        await self.told.wait()
        return self.is_there


@pytest.mark.promise(id="SEM-1242")
@pytest.mark.parametrize("is_there", [True, False])
async def test_steps_are_kept_until_their_message_can_come_again_no_more(is_there: bool) -> None:
    """A process, or its root, that is killed before it could say that it is finished gets the message again."""
    store, sender = InMemoryStateStore(), Sender(is_there=is_there)

    class Once(AgentProcess):
        async def handle(self, message: Message) -> None:
            self._civitas_running().node.foreign[message.id] = sender
            await self.step("book", lambda: 1)

    agent = Once("a", delivery="at_least_once")
    async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
        await runtime.send("a", None)
        async with asyncio.timeout(5):
            await sender.asked.wait()
        assert await store.keys("civitas:step:")
        sender.told.set()
    assert (await store.keys("civitas:step:") == []) is is_there

"""A start that takes long says for whom it waits."""

from __future__ import annotations

import asyncio

import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.process import slow_start


class Slow(AgentProcess):
    async def on_start(self) -> None:
        self.starts.set()
        await self.said.wait()

    said, starts = asyncio.Event(), asyncio.Event()

    async def handle(self, message: Message) -> Message:
        return self.reply("here")


@pytest.mark.promise(id="SEM-1164")
async def test_who_has_not_started_yet_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_start, "_LONG", 0.01)
    Slow.said = asyncio.Event()
    starting = asyncio.create_task(Runtime(Supervisor("root", [Slow("slow")])).start())
    async with asyncio.timeout(5):
        while (
            "the start is waiting for agent 'slow': its on_start has not returned"
            not in caplog.text
        ):
            await asyncio.sleep(0.002)
    starting.cancel()
    await asyncio.wait({starting})


async def test_who_starts_at_once_is_not(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_start, "_LONG", 0.01)
    Slow.said = asyncio.Event()
    Slow.said.set()
    async with Runtime(Supervisor("root", [Slow("slow")])) as runtime:
        await asyncio.sleep(0.03)
        assert (await runtime.ask("slow", None)).payload == "here"
    assert caplog.text == ""


class Watcher(AgentProcess):
    """Monitors whom it is told to, and keeps what it hears."""

    def __init__(self, name: str, heard: asyncio.Queue[Message]) -> None:
        super().__init__(name)
        self.heard = heard

    async def handle(self, message: Message) -> Message | None:
        if message.type == "civitas.down":
            await self.heard.put(message)
            return None
        return self.reply(await self.monitor(message.payload))


async def test_a_start_that_is_given_up_ends_as_killed_and_not_as_crashed() -> None:
    Slow.said, Slow.starts = asyncio.Event(), asyncio.Event()
    heard: asyncio.Queue[Message] = asyncio.Queue()
    async with Runtime(Supervisor("root", [Watcher("watcher", heard)])) as runtime:
        starting = asyncio.create_task(runtime.start_child("root", Slow("slow")))
        await Slow.starts.wait()
        await runtime.ask("watcher", "slow")
        starting.cancel()
        assert (await heard.get()).payload["reason"] == "killed"

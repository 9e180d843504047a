"""A start that takes long says for whom it waits."""

from __future__ import annotations

import asyncio

import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.process import slow_start


class Slow(AgentProcess):
    async def on_start(self) -> None:
        await self.said.wait()

    said = asyncio.Event()

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

"""Nodes in one event loop: what travels between them, and what is told of a crash or a death."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from civitas import AgentProcess, HandlerFailed, Message, NodeDown
from civitas.cluster.frames import Kind, unpack
from civitas.transport.zmq import ZmqTransport
from tests.core.cluster.nodes import Nodes


class Far(AgentProcess):
    """Does what it is told."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "crash":
                raise ValueError("as it was told")
            case "stream":
                for n in range(message.payload):
                    await self.emit({"n": n}, "token")
            case "hang":
                await asyncio.Event().wait()
            case "ask":
                return await self.ask(message.payload, 1)
        return self.reply(message.payload)


def transport() -> ZmqTransport:
    return ZmqTransport(node_timeout=5.0)


@asynccontextmanager
async def two_members(**supervisor: Any) -> AsyncIterator[Nodes]:
    async with Nodes(transport, {"w": {"far": Far}, "v": {"other": Far}}, **supervisor) as nodes:
        yield nodes


async def test_an_ask_goes_to_a_member_and_from_one_to_another():
    async with two_members() as nodes:
        assert (await nodes.runtime.ask("far", 5)).payload == 5
        assert (await nodes.runtime.ask("far", "other", "ask")).payload == 1


async def test_a_stream_of_a_member_keeps_its_order():
    async with two_members() as nodes:
        got = [each async for each in nodes.runtime.stream("far", 300, "stream")]
        assert [each.payload["n"] for each in got[:-1]] == list(range(300))


async def test_an_ask_ends_when_its_member_is_gone_and_the_agent_comes_back_with_that():
    async with two_members() as nodes:
        asking = asyncio.create_task(nodes.runtime.ask("far", 1, "hang"))
        while not len(nodes.root.registry["far"].entry):
            await asyncio.sleep(0)
        await nodes.lose("w")
        with pytest.raises(NodeDown, match="the test ended it"):
            await asking
        await nodes.join("w")
        assert (await nodes.runtime.ask("far", 2)).payload == 2


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[Any], int]]:
    """The frames that come to the root from now on: kind, fields, and bytes."""
    came: list[tuple[int, list[Any], int]] = []
    true_open = ZmqTransport.open

    async def open(self: ZmqTransport, receive: Any, *rest: Any) -> None:
        def record(frame: bytes) -> None:
            if getattr(receive.__self__, "_name", "") == "root":
                kind, _, fields = unpack(frame)
                came.append((kind, fields, len(frame)))
            receive(frame)

        await true_open(self, record, *rest)

    monkeypatch.setattr(ZmqTransport, "open", open)
    return came


@pytest.mark.promise(id="SEM-1301")
async def test_a_crash_is_told_once_and_its_traceback_travels_once(
    frames: list[tuple[int, list[Any], int]],
):
    async with two_members() as nodes:
        back: asyncio.Queue[object] = asyncio.Queue()
        nodes.runtime.on("restarted", back.put_nowait)
        frames.clear()
        await nodes.runtime.send("far", 1, "crash")
        await back.get()
        told = Counter(
            fields[0] if kind == Kind.CAST else Kind(kind).name for kind, fields, _ in frames
        )
        assert told["exited"] == 1
        assert "down" not in told
        assert str(frames).count("Traceback (most recent call last)") == 1


async def test_an_answer_says_that_its_request_is_finished(
    frames: list[tuple[int, list[Any], int]],
):
    async with two_members() as nodes:
        frames.clear()
        await nodes.runtime.ask("far", 1)
        with pytest.raises(HandlerFailed):
            await nodes.runtime.ask("far", 1, "crash")
        kinds = {kind for kind, _, _ in frames}
        assert {Kind.ANSWER, Kind.REFUSAL} <= kinds
        assert Kind.SETTLED not in kinds
        assert not len(nodes.root.registry["far"].entry)

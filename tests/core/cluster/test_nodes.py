"""Nodes in one event loop: what travels between them, and what is told of a crash or a death."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from civitas import AgentProcess, HandlerFailed, Message, NodeDown
from civitas.cluster.frames import Kind, unpacked
from civitas.cluster.members import joining
from civitas.state import Retention
from civitas.telemetry import names
from civitas.testing import MemoryNetwork
from civitas.transport.zmq import ZmqTransport
from tests.core.cluster.nodes import Nodes
from tests.core.telemetry.support import Metered

JOURNAL: list[Any] = []
"""What the agents of all nodes wrote down: they share this process."""


@pytest.fixture(autouse=True)
def _clean() -> None:
    JOURNAL.clear()


class Far(AgentProcess):
    """Does what it is told."""

    async def handle(self, message: Message) -> Message | None:
        match message.type:
            case "note":
                JOURNAL.append((message.payload, message.attempt))
                if message.payload == "stay" and not message.attempt:
                    await asyncio.Event().wait()
            case "send":
                for each in message.payload:
                    await self.send("other", each, "note")
            case "watch":
                await self.monitor(message.payload)
            case "civitas.down":
                JOURNAL.append((message.payload["name"], message.payload["reason"]))
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
async def two_members(**keywords: Any) -> AsyncIterator[Nodes]:
    placed = {"w": {"far": Far}, "v": {"other": Far}}
    async with Nodes(transport, placed, keywords=keywords) as nodes:
        yield nodes


async def noted(*entries: Any) -> None:
    """Wait until this is all that was written down."""
    async with asyncio.timeout(5):
        while list(entries) != JOURNAL:
            await asyncio.sleep(0.001)


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
        def record(frame: bytes | memoryview) -> None:
            if getattr(receive.__self__, "_name", "") == "root":
                kind, _, *fields = unpacked(frame)
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


async def test_what_was_in_hand_and_what_waited_is_delivered_again_in_order():
    async with two_members(delivery="at_least_once") as nodes:
        await nodes.runtime.ask("far", ["stay", "b", "c"], "send")
        await noted(("stay", 0))
        await nodes.lose("v")
        await nodes.join("v")
        await noted(("stay", 0), ("stay", 1), ("b", 0), ("c", 0))


async def test_what_was_accepted_outlives_the_member_that_sent_it():
    async with two_members(delivery="at_least_once") as nodes:
        await nodes.lose("v")
        await nodes.runtime.ask("far", ["a", "b"], "send")
        await nodes.lose("w")
        await nodes.join("v")
        await noted(("a", 0), ("b", 0))


async def test_a_message_that_its_member_is_lost_with_each_time_is_given_up():
    async with two_members(delivery="at_least_once", max_deliveries=1) as nodes:
        letters: list[Any] = []
        nodes.runtime.on("dead_letter", letters.append)
        await nodes.runtime.send("other", "stay", "note")
        await nodes.runtime.send("other", "b", "note")
        await noted(("stay", 0))
        await nodes.lose("v")
        await nodes.join("v")
        await noted(("stay", 0), ("b", 0))
        assert [each.reason for each in letters] == ["max_deliveries"]


@pytest.mark.promise(id="SEM-1301")
@pytest.mark.parametrize("how", ["crash", "death"])
async def test_whoever_monitors_an_agent_of_another_member_hears_of_its_end_once(how: str):
    async with two_members() as nodes:
        await nodes.runtime.ask("far", "other", "watch")
        if how == "crash":
            await nodes.runtime.send("other", 1, "crash")
            await noted(("other", "crashed"))
        else:
            await nodes.lose("v")
            await noted(("other", "node_down"))
            await nodes.join("v")
        await nodes.runtime.ask("other", 1)
        await nodes.runtime.ask("far", 1)
        assert len(JOURNAL) == 1


@pytest.mark.promise(id="SEM-1573")
async def test_what_the_root_was_told_of_conversations_holds_for_its_members_too() -> None:
    retention = Retention(keep=86400.0, longest=7)
    far = {"w": {"far": Far}}
    async with Nodes(transport, far, given={"conversations": retention}) as nodes:
        assert nodes.members["w"].retention == retention
    async with Nodes(transport, far) as nodes:
        assert nodes.members["w"].retention == Retention()


@pytest.mark.promise(id="SEM-1726")
async def test_a_process_of_another_version_is_in_the_timeline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Far}}) as nodes:
        await nodes.lose("w")
        monkeypatch.setattr(joining, "own_version", lambda: "0.0.9")
        await nodes.join("w")
        [event] = [each for each in nodes.runtime.timeline() if each.type == "deployed"]
    assert (event.name, event.node, event.reason) == ("w", "w", "joined")
    assert "civitas-core 0.0.9" in event.message


@pytest.mark.promise(id="SEM-1727")
async def test_a_scrape_has_what_other_processes_count_from_the_first_one_on() -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Far}}) as nodes:
        runtime, there = nodes.runtime, nodes.members["w"]
        assert "messaging_client_consumed" not in runtime.scrape()
        while not there.tracing.metrics.active:
            await asyncio.sleep(0)
        await runtime.ask("far", None)
        there.records.last()
        counted = 'messaging_client_consumed_messages_total{system="civitas",messaging_destination_name="far"'
        while counted not in runtime.scrape():
            await asyncio.sleep(0)


@pytest.mark.promise(id="SEM-1752")
async def test_a_scrape_has_what_a_process_exports_itself_and_nothing_is_exported_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In this test the two processes are one, and so are their providers.
    metered = Metered(monkeypatch)
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Far}}) as nodes:
        runtime, there = nodes.runtime, nodes.members["w"]
        runtime.scrape()
        while there.tracing.metrics.scraped is None:
            await asyncio.sleep(0)
        await runtime.ask("far", None)
        there.records.last()
        counted = 'messaging_client_consumed_messages_total{system="civitas",messaging_destination_name="far"'
        while not (found := [each for each in runtime.scrape().splitlines() if counted in each]):
            await asyncio.sleep(0)
        [(_, exported)] = metered.points()[names.PROCESSED]
        assert (found[0].rpartition(" ")[2], exported) == ("1", 1)
        assert "civitas_asks_in_flight" in runtime.scrape()


@pytest.mark.promise(id="SEM-1716")
async def test_what_waits_in_a_process_that_goes_away_is_a_dead_letter() -> None:
    async with Nodes(MemoryNetwork().transport, {"w": {"far": Far}}) as nodes:
        runtime = nodes.runtime
        for word in ("stay", "waits"):
            await runtime.send("far", word, "note")
        while not JOURNAL:
            await asyncio.sleep(0)
        await nodes.lose("w")
        letters = await runtime.dead_letters("far", "node_down", payload=True)
        assert [each.payload for each in letters] == ["stay", "waits"]
        await nodes.join("w")
        while not await nodes.root.is_alive("far"):
            await asyncio.sleep(0)
        await runtime.replay(letters[1].number)
        while ("waits", 0) not in JOURNAL:
            await asyncio.sleep(0)

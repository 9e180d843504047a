"""What the node that a message came from hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from civitas.cluster.letters.origin import Back, FromBeside, FromPeer
from civitas.cluster.letters.receipts import Receipts
from civitas.cluster.peers import Peer
from civitas.errors import NoReply
from civitas.message import Message, Serializer, load_chunks, loads, new_message
from civitas.node import AHEAD
from tests.core.cluster.parts import Wire, a_peer


class Counted:
    """Deliveries that are written down."""

    outlived = reads = False

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    def begun(self, agent: str, message_id: str, *, kept: bool = False) -> Awaitable[None] | None:
        self.noted.append(("begun", message_id))
        return None

    def finished(self, message_id: str) -> None:
        self.noted.append(("finished", message_id))

    def forgotten(self, message_id: str) -> None:
        self.noted.append(("forgotten", message_id))

    def put_back(self, message_id: str) -> None:
        self.noted.append(("put back", message_id))


class Box:
    """An agent as the one who asks it sees it."""

    def __init__(self) -> None:
        self.withdrawn: list[bool] = []

    def withdraw(self, message: Message, *, reader_left: bool = False) -> None:
        self.withdrawn.append(reader_left)


def came(*, reads: bool = False) -> tuple[FromPeer, Peer, Wire, Counted]:
    peer, wire = a_peer()
    counted = Counted()
    message = new_message("ask", None, "a", b"", "m1", reply_to="w", wants_chunks=reads)
    back = Back(Serializer.MSGPACK, Receipts(asyncio.get_running_loop), counted)
    return FromPeer(peer, message, back), peer, wire, counted


async def taken(origin: FromPeer, payload: object) -> bool:
    """Emit a chunk; whether somebody is there to take it."""
    taking = origin.chunk(Message(payload=payload))
    return taking if isinstance(taking, bool) else await taking


def told(wire: Wire) -> list[object]:
    """The payloads of all chunks that were sent."""
    payloads: list[object] = []
    for kind, (_, raw) in wire.sent:
        if kind in ("CHUNK", "CHUNKS"):
            chunks = [loads(raw)] if kind == "CHUNK" else load_chunks(raw)
            payloads += [each.payload for each in chunks]
    return payloads


async def test_an_answer_ends_the_message_and_no_settlement_follows() -> None:
    origin, _, wire, counted = came()
    origin.began("a")
    assert origin.answered(Message(payload=2))
    origin.settled()
    await asyncio.sleep(0)
    assert [kind for kind, _ in wire.sent] == ["ANSWER"]
    assert counted.noted == [("begun", "m1"), ("finished", "m1")]


async def test_a_refusal_ends_it_likewise() -> None:
    origin, _, wire, _ = came()
    origin.refused(NoReply("a", "message"))
    origin.settled()
    await asyncio.sleep(0)
    assert [kind for kind, _ in wire.sent] == ["REFUSAL"]


async def test_what_is_finished_without_a_word_is_told_in_the_next_turn_all_at_once() -> None:
    origin, peer, wire, _ = came()
    other = FromPeer(peer, Message(id="m2", payload=1), origin._back)
    origin.settled()
    other.settled()
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [("SETTLED", [["m1", "m2"]])]
    assert wire.urgent == [False]  # behind the answers that went before


async def test_a_node_that_is_gone_is_told_nothing() -> None:
    origin, peer, wire, _ = came()
    peer.gone = "it was killed"
    assert not origin.answered(Message(payload=2))
    assert not await taken(origin, 3)
    assert wire.sent == []


async def test_a_producer_waits_while_its_reader_is_behind_and_until_that_left() -> None:
    origin, peer, wire, _ = came(reads=True)
    for n in range(AHEAD):
        assert await taken(origin, n)
    one_more = asyncio.create_task(taken(origin, "more"))
    await asyncio.sleep(0)
    assert told(wire) == [*range(AHEAD)]
    origin.room(1)
    assert await one_more
    last = asyncio.create_task(taken(origin, "last"))
    await asyncio.sleep(0)
    peer.gone = "it was killed"
    origin.left()
    assert not await last


async def test_the_first_chunk_of_a_turn_leaves_at_once_and_the_others_together() -> None:
    origin, _, wire, _ = came(reads=True)
    for n in range(3):
        assert await taken(origin, n)
    assert told(wire) == [0]
    await asyncio.sleep(0)
    assert [kind for kind, _ in wire.sent] == ["CHUNK", "CHUNKS"]
    assert told(wire) == [0, 1, 2]
    await taken(origin, 3)
    assert wire.sent[-1][0] == "CHUNK"  # of another turn


async def test_chunks_that_travel_together_leave_before_the_answer() -> None:
    origin, _, wire, _ = came(reads=True)
    for n in range(3):
        await taken(origin, n)
    origin.answered(Message(payload="answer"))
    assert [kind for kind, _ in wire.sent] == ["CHUNK", "CHUNKS", "ANSWER"]


async def test_a_large_chunk_travels_alone_and_keeps_its_place() -> None:
    origin, _, wire, _ = came(reads=True)
    for each in ("a", "b", "large" * 1000, "c"):
        await taken(origin, each)
    await asyncio.sleep(0)
    assert [kind for kind, _ in wire.sent] == ["CHUNK", "CHUNKS", "CHUNK", "CHUNKS"]
    assert told(wire) == ["a", "b", "large" * 1000, "c"]


async def test_chunks_as_json_travel_one_by_one() -> None:
    origin, peer, wire, _ = came(reads=True)
    back = Back(Serializer.JSON, Receipts(asyncio.get_running_loop))
    origin = FromPeer(peer, origin.message, back)
    for n in range(2):
        await taken(origin, n)
    assert [kind for kind, _ in wire.sent] == ["CHUNK", "CHUNK"]


@pytest.mark.parametrize(("waits", "reads"), [(True, False), (True, True), (False, False)])
async def test_what_nobody_waits_for_any_more_is_withdrawn(waits: bool, reads: bool) -> None:
    origin, _, _, _ = came(reads=reads)
    box = Box()
    origin.cell = box  # type: ignore[assignment]
    if not waits:
        origin.message = Message(id="m1", payload=1)
    origin.left()
    assert box.withdrawn == ([reads] if waits else [])


async def test_an_asker_that_leaves_withdraws_what_it_asked() -> None:
    origin, _, _, _ = came()
    box = Box()
    origin.cell = box  # type: ignore[assignment]
    origin.withdraw(reader_left=True)
    assert box.withdrawn == [True]


async def test_a_message_is_heard_of_when_its_end_was_told_and_has_arrived() -> None:
    origin, peer, wire, counted = came()
    told: list[object] = []

    async def flushed() -> None:
        told.extend(wire.sent)

    peer.link.flushed = flushed  # type: ignore[method-assign]
    counted.outlived = True
    origin.settled()
    await origin.heard()
    assert told == [("SETTLED", [["m1"]])]


async def test_what_has_steps_and_came_from_beside_its_agent_is_noted_as_well() -> None:
    counted = Counted()
    origin = FromBeside(counted, "m1")
    origin.began("a")
    origin.settled()
    assert counted.noted == [("begun", "m1"), ("finished", "m1")]

"""Many messages on their way into one mailbox of a broker, and the order in which they come out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from civitas.cluster.durable.lanes import Lanes
from civitas.cluster.durable.order import InOrder
from civitas.cluster.durable.parcels import unpack
from civitas.errors import MailboxFull, NotStored
from civitas.message import Message, Serializer
from civitas.transport.mailboxes import Landed, Letter, NoRoom, NotKept, Unsure


class Shelf:
    """A broker with one mailbox, which takes so many and answers as it is told."""

    largest = 100_000

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.kept: dict[int, bytes] = {}
        self.ids: dict[str, int] = {}
        self.places = 0
        self.fates: list[Exception | None] = []
        """What becomes of the next ones; as there is room behind the last of them."""
        self.on_up: Any = None
        self.taken_out: list[list[int]] = []
        self.answers_lost: list[bool] = []
        """Whether the broker does not say that it has taken something out."""

    def put(
        self,
        address: str,
        key: str,
        id: str,
        body: bytes,
        headers: Mapping[str, str],
        landed: Landed,
    ) -> None:
        asyncio.get_running_loop().call_soon(landed, self._take(id, body))

    def _take(self, id: str, body: bytes) -> int | Exception:
        fate = self.fates.pop(0) if self.fates else None
        if isinstance(fate, NotKept | Unsure) and "stored" not in str(fate):
            return fate
        if id not in self.ids and (len(self.kept) >= self.room or isinstance(fate, NoRoom)):
            return NoRoom("full")
        if id not in self.ids:
            self.places += 1
            self.ids[id] = self.places
            self.kept[self.places] = body
        return self.ids[id] if fate is None else fate

    async def retract(self, address: str, places: Sequence[int]) -> bool:
        self.taken_out.append(list(places))
        for place in places:
            self.kept.pop(place, None)
        return not (self.answers_lost and self.answers_lost.pop())

    def numbers(self) -> list[int]:
        return [unpack(self.kept[place]).message.payload for place in sorted(self.kept)]


async def turns() -> None:
    """Let what is asked be answered."""
    for _ in range(4):
        await asyncio.sleep(0)


def lanes(shelf: Any) -> Lanes:
    return Lanes(shelf, lambda: "boot", Serializer.MSGPACK)


async def send(lanes: Lanes, n: int, timeout: float | None = 5.0) -> None:
    await lanes.put("1.a", "", Message(payload=n, recipient="a"), timeout, 1, None)


@pytest.mark.parametrize(
    "fates",
    [
        [],
        [NoRoom("")],
        [None, NoRoom(""), None, NoRoom("")],
        [Unsure("away"), None, None],
        [Unsure("stored, but the answer was lost"), None],
        [None, Unsure("away"), Unsure("stored"), None, NoRoom("")],
    ],
)
@pytest.mark.promise(id="SEM-1453")
async def test_what_the_broker_does_not_take_at_once_is_stored_once_and_read_in_order(fates):
    shelf = Shelf()
    shelf.fates = list(fates)
    lines = lanes(shelf)
    await asyncio.gather(*(send(lines, n) for n in range(20)))
    assert sorted(shelf.numbers()) == [*range(20)]
    read: list[int] = []
    in_order = InOrder(
        lambda _, kept: read.append(kept.message.payload),
        lambda line, number: lines.settled("1.a", line[1], number),
        lambda letter: None,
    )
    places = sorted(shelf.kept)
    for at, place in enumerate(places):
        letter = Letter(place, shelf.kept[place], len(places) - at - 1, None)
        in_order.take(("boot", ""), letter, unpack(letter.body))
    for _ in range(5):
        await asyncio.sleep(0)
    assert read == [*range(20)]


async def test_a_mailbox_without_room_takes_all_in_order_as_room_is_made():
    shelf = Shelf(room=3)
    lines = lanes(shelf)
    sending = asyncio.gather(*(send(lines, n) for n in range(12)))
    taken: list[int] = []
    while not sending.done() or shelf.kept:
        for place in sorted(shelf.kept)[:1]:
            head = unpack(shelf.kept[place])
            if head.message.payload == len(taken):
                taken.append(head.message.payload)
                del shelf.kept[place]
        await asyncio.sleep(0.001)
    await sending
    assert taken == [*range(12)]


@pytest.mark.promise(id="SEM-1454")
async def test_of_what_is_out_again_nothing_is_waited_for_that_has_no_room():
    shelf = Shelf(room=2)
    shelf.fates = [None, *[NoRoom("")] * 5, None]
    lines = lanes(shelf)
    sending = asyncio.gather(*(send(lines, n) for n in range(12)))
    await turns()
    assert (await lines.settled("1.a", "", 7)).void == [2]
    assert shelf.numbers()[:1] == [0]
    while not sending.done():
        shelf.kept.clear()
        await asyncio.sleep(0)
    await sending


@pytest.mark.promise(id="SEM-1453")
async def test_what_may_have_been_handled_is_not_taken_out_again():
    shelf = Shelf(room=2)
    shelf.fates = [Unsure("stored, but the answer was lost"), None]
    sending = asyncio.gather(*(send(lines, n) for lines in [lanes(shelf)] for n in range(3)))
    while len(shelf.kept) < 2 or shelf.fates:
        await asyncio.sleep(0)
    await turns()
    shelf.kept.clear()  # the reader has handled both
    await sending
    assert (shelf.taken_out, shelf.numbers()) == ([], [2])


@pytest.mark.promise(id="SEM-1453")
async def test_what_may_be_stored_is_found_out_although_what_comes_before_it_has_no_room():
    shelf = Shelf(room=2)
    stored = "stored, but the answer was lost"
    shelf.fates = [Unsure("away"), Unsure(stored), Unsure(stored), None, NoRoom(""), *[None] * 30]
    lines = lanes(shelf)
    async with asyncio.timeout(5):
        sending = asyncio.gather(*(send(lines, n, None) for n in range(4)))
        read: list[int] = []
        while not sending.done() or shelf.kept:
            for place in sorted(shelf.kept):
                if unpack(shelf.kept[place]).message.payload == len(read):
                    read.append(unpack(shelf.kept.pop(place)).message.payload)
            await asyncio.sleep(0)
    assert read == [*range(4)]


@pytest.mark.promise(id="SEM-1453")
async def test_what_may_be_out_again_is_taken_out_until_that_is_sure(monkeypatch):
    monkeypatch.setattr("civitas.cluster.durable.lane._LONGEST_PAUSE", 0.0)
    shelf = Shelf()
    shelf.fates, shelf.answers_lost = [NoRoom(""), None], [False, True]
    lines = lanes(shelf)
    await asyncio.gather(*(send(lines, n) for n in range(2)))
    assert (shelf.taken_out, shelf.numbers()) == ([[1], [1]], [0, 1])


@pytest.mark.promise(id="SEM-1453")
async def test_what_was_taken_out_again_and_may_be_back_is_not_known_to_be_out():
    shelf = Shelf()
    shelf.fates = [NoRoom(""), None, NoRoom(""), Unsure("stored, but the answer was lost")]
    lines = lanes(shelf)
    sending = asyncio.gather(*(send(lines, n) for n in range(2)))
    while shelf.fates:
        await asyncio.sleep(0)
    await turns()
    assert (await lines.settled("1.a", "", 2)).void == [1, 2]
    await sending
    assert shelf.numbers() == [0, 1]


@pytest.mark.promise(id="SEM-1454")
async def test_who_waits_for_what_may_be_back_is_told_at_once_that_it_found_no_room():
    shelf = Shelf()
    shelf.fates = [NoRoom(""), None, NoRoom(""), Unsure("away")]
    lines = lanes(shelf)
    sending = asyncio.gather(*(send(lines, n, None) for n in range(2)))
    while shelf.fates:
        await asyncio.sleep(0)
    shelf.room = 0
    await turns()
    async with asyncio.timeout(5):
        assert (await lines.settled("1.a", "", 2)).void == [1]
    shelf.room = 2
    await sending


async def test_a_send_that_found_no_room_in_time_is_not_stored_later():
    shelf = Shelf(room=1)
    lines = lanes(shelf)
    await send(lines, 0)
    with pytest.raises(MailboxFull):
        await send(lines, 1, timeout=0.02)
    shelf.room = 2
    await send(lines, 2)
    assert shelf.numbers() == [0, 2]


async def test_what_the_broker_refuses_is_an_error_at_once_and_holds_nobody_up():
    shelf = Shelf()
    shelf.fates = [NotKept("the disk is full")]
    lines = lanes(shelf)
    with pytest.raises(NotStored, match="the disk is full") as refused:
        await send(lines, 0)
    assert not refused.value.unsure
    await send(lines, 1)
    assert shelf.numbers() == [1]


async def test_a_broker_that_does_not_answer_in_time_may_have_the_message():
    shelf = Shelf()
    shelf.fates = [Unsure("away")] * 100
    with pytest.raises(NotStored, match="away") as refused:
        await send(lanes(shelf), 0, timeout=0.02)
    assert refused.value.unsure

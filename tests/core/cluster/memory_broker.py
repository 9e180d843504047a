"""A broker that keeps messages, in memory: as a NATS server does it, and without its time.

    broker = MemoryBroker()
    Processes(..., broker=broker.at_root({"sure": Wanted(1000)}))
    MemberNode(..., broker=broker.at_member())

What is read and not finished is delivered again only when the root takes it back. Then deliveries are counted anew, so
that a reader sees that it missed some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from civitas.cluster.durable.broker import Broker, Wanted
from civitas.transport.mailboxes import Landed, Letter, NoRoom, Unsure

__all__ = ["MemoryBroker", "MemoryMailboxes"]


@dataclass(eq=False)
class _Box:
    """One mailbox.

    Attributes:
        size: How many may be unfinished, of each key.
        letters: The key and the body of what is unfinished, by place.
        delivered: The place up to which it was delivered.
        number: Of the last delivery.
    """

    size: int
    letters: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    delivered: int = 0
    number: int = 0
    readers: list[_Reading] = field(default_factory=list)
    given: Mapping[str, int] = field(default_factory=dict)

    def put(self, key: str, id: str, body: bytes, place: int) -> int | NoRoom:
        """Store it once; returns where it stands."""
        if id in self.ids:
            return self.ids[id]
        if sum(each == key for each, _ in self.letters.values()) >= self.size:
            return NoRoom("full")
        self.ids[id] = place
        self.letters[place] = key, body
        self.pump()
        return place

    def pump(self) -> None:
        """Deliver what is wanted."""
        waiting = sorted(place for place in self.letters if place > self.delivered)
        for at, place in enumerate(waiting, 1):
            reader = next((each for each in self.readers if each.asked > 0), None)
            if reader is None:
                return
            reader.asked -= 1
            self.delivered = place
            self.number += 1
            letter = Letter(place, self.letters[place][1], len(waiting) - at, self.number)
            asyncio.get_running_loop().call_soon(reader.arrived, letter, context=reader.context)


class MemoryBroker:
    """All mailboxes of a system.

    Attributes:
        fate: What becomes of a message that is put: it is stored and that is told, or an error comes for one that is
            `stored` or not.
    """

    def __init__(self) -> None:
        self.boxes: dict[str, _Box] = {}
        self.fate: Callable[[], tuple[bool, bool]] = lambda: (True, True)
        self.dead: list[Any] = []
        """The dead letters."""
        self.apart: dict[str, bytes] = {}
        self.places = count(1)

    def at_member(self) -> tuple[Broker, list[MemoryMailboxes]]:
        """For a node that is not the root, and the mailboxes that it makes: a test ends them when it kills the node."""
        made: list[MemoryMailboxes] = []

        def make() -> MemoryMailboxes:
            made.append(MemoryMailboxes(self))
            return made[-1]

        return Broker(make), made

    def at_root(self, wanted: Mapping[str, Wanted]) -> Broker:
        """For the root, whose topology wants these mailboxes."""
        return Broker(lambda: MemoryMailboxes(self), keeper=_Keeper(self), wanted=wanted)

    @property
    def is_empty(self) -> bool:
        return not any(box.letters for box in self.boxes.values())


class MemoryMailboxes:
    """They, as one node uses them.

    Attributes:
        killed: Whether that node is: it hears nothing any more, and nothing that it says arrives.
    """

    largest = 100_000

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.killed = False
        self.dead_letters: Any = self
        self.on_up: Callable[[], None] = lambda: None
        self._readings: list[_Reading] = []

    async def open(self, patience: float | None) -> None: ...

    def put(
        self,
        address: str,
        key: str,
        id: str,
        body: bytes,
        headers: Mapping[str, str],
        landed: Landed,
    ) -> None:
        asyncio.get_running_loop().call_soon(self._put, address, key, id, body, landed)

    def _put(self, address: str, key: str, id: str, body: bytes, landed: Landed) -> None:
        if self.killed:
            return
        is_stored, is_told = self.broker.fate()
        if not is_stored:
            landed(Unsure("away"))
            return
        place = self.broker.boxes[address].put(key, id, body, next(self.broker.places))
        landed(place if is_told else Unsure("the answer was lost"))

    async def keep_apart(self, raw: bytes) -> str:
        reference = str(next(self.broker.places))
        self.broker.apart[reference] = raw
        return reference

    async def fetch(self, reference: str) -> bytes | None:
        return self.broker.apart.get(reference)

    def drop(self, reference: str) -> None:
        self.broker.apart.pop(reference, None)

    async def retract(self, address: str, places: Sequence[int]) -> bool:
        await asyncio.sleep(0)
        if self.killed:
            return True  # so that what is left of its node ends
        is_done, is_told = self.broker.fate()
        for place in places if is_done else ():
            self.broker.boxes[address].letters.pop(place, None)
        return is_done and is_told

    async def read(
        self, address: str, take: Callable[[Letter], None], lost: Callable[[], None]
    ) -> _Reading:
        reading = _Reading(self, self.broker.boxes[address], take, lost)
        self._readings.append(reading)
        return reading

    async def keep(self, letter: Any) -> None:
        """Keep a dead letter."""
        if not self.killed:
            self.broker.dead.append(letter)

    def kill(self) -> None:
        """End them without a word, with their node."""
        self.killed = True
        for each in self._readings:
            each.end()

    async def close(self) -> None:
        for each in self._readings:
            each.end()


class _Reading:
    """The reader of a mailbox."""

    def __init__(
        self,
        mailboxes: MemoryMailboxes,
        box: _Box,
        take: Callable[[Letter], None],
        lost: Callable[[], None],
    ) -> None:
        self.asked = 0
        """How many it takes, as the broker knows."""
        self.context = copy_context()
        """What comes is taken by the node that reads, and not by the one that sent it."""
        self._mailboxes = mailboxes
        self._box = box
        self._take = take
        self._lost = lost
        self._room = 0
        self._reads = self._closed = False
        self._number = 0
        self._held: dict[int, Letter] = {}
        self._finished: set[int] = set()

    def want(self, count: int) -> None:
        self._room += count
        self._pull()

    def _pull(self) -> None:
        if self._reads and self._room and not self._mailboxes.killed:
            self.asked, self._room = self.asked + self._room, 0
            self._box.pump()

    def renew(self) -> None:
        if self not in self._box.readers:
            self._box.readers.append(self)
        self._reads, self._number = True, 0
        self._pull()

    def arrived(self, letter: Letter) -> None:
        if not self._reads:
            self._room += 1
            return
        if letter.handle != self._number + 1:
            self._reads = False
            self._room += 1 + self.asked
            self.asked = 0
            self._lost()
            return
        self._number = letter.handle
        if letter.place in self._finished:
            self._room += 1
            self._remove(letter.place)
        elif letter.place in self._held:
            self._room += 1
        else:
            self._held[letter.place] = letter
            self._take(letter)
        self._pull()

    def finish(self, letter: Letter) -> None:
        self._held.pop(letter.place, None)
        self._finished.add(letter.place)
        if self._reads:
            asyncio.get_running_loop().call_soon(self._remove, letter.place)

    async def finished(self, letter: Letter) -> bool:
        self.finish(letter)
        await asyncio.sleep(0)
        while letter.place in self._box.letters and not self._closed:
            await asyncio.sleep(0.01)
        return not self._closed

    def _remove(self, place: int) -> None:
        if not self._mailboxes.killed:
            self._box.letters.pop(place, None)

    def end(self) -> None:
        self._reads = False
        self.asked = 0
        if self in self._box.readers:
            self._box.readers.remove(self)

    async def close(self) -> None:
        self._closed = True
        self.end()


class _Keeper:
    """What the root does with them."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._boxes = broker.boxes

    async def open(self) -> None: ...

    async def make(self, name: str, size: int, *, several: bool) -> str:
        address = f"{size}.{name}{'.' if several else ''}"
        self._boxes.setdefault(address, _Box(size))
        return address

    async def fence(self, address: str, *, look: bool) -> Sequence[bytes]:
        await asyncio.sleep(0)
        box = self._boxes[address]
        out: dict[str, bytes] = {}
        for place, (key, body) in sorted(box.letters.items()):
            if place <= box.delivered:
                out.setdefault(key, body)
        box.delivered = box.number = 0
        box.pump()
        return list(out.values()) if look else ()

    async def unfinished(self, address: str) -> int:
        return len(self._boxes[address].letters)

    async def noted(self, address: str) -> Mapping[str, int]:
        return self._boxes[address].given

    async def note(self, address: str, counts: Mapping[str, int]) -> None:
        self._boxes[address].given = counts

    async def remove(self, address: str) -> None: ...

    async def close(self) -> None: ...

"""Which OS processes a system has beside the root, and which of them are there."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from civitas.cluster.peers import Peer
from civitas.launch import OsProcess, PidWatch, ProcessOptions

__all__ = ["Member", "NextProcess", "Roster"]


_STANDS_BY = 4.0
"""Seconds without a word after which a process does not stand by any more."""


@dataclass(frozen=True, slots=True)
class NextProcess:
    """A process that stands by until its place is free.

    Attributes:
        hello: What it said last.
        boot: Its run.
        heard: When, by the monotonic clock.
    """

    hello: Any
    boot: str
    heard: float

    @property
    def is_there(self) -> bool:
        """Whether it still stands by."""
        return time.monotonic() - self.heard < _STANDS_BY


@dataclass(eq=False)
class Member:
    """Another OS process of the topology, whether it runs or not."""

    name: str
    options: ProcessOptions
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    process: OsProcess | None = None
    peer: Peer | None = None
    host: Peer | None = None
    """It, if agents may be started in it."""
    absent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when one that was there is gone."""
    pid: int | None = None
    pid_space: str = ""
    topology: str = ""
    """Says which topology it has, as far as it said so."""
    civitas: str = ""
    """The version of its civitas-core."""
    in_hand: dict[str, int] = field(default_factory=dict)
    """What a process on another machine is handling, and how many of its incarnations were given that."""
    kept: set[str] = field(default_factory=set)
    """That of it which the broker keeps."""
    watch: PidWatch | None = None
    """Of one that was started elsewhere, on this machine."""
    added: bool = False
    """Whether the topology does not name it: it came at run time."""
    dismissed: asyncio.Future[None] | None = None
    """Set while it ends because nothing is to run in it any more; done when it has ended."""
    successor: NextProcess | None = None
    """Another process of its name, which stands by."""
    was_up: bool = False
    runs_on: bool = False
    """Whether it goes on with what it does under the next root, as this one ends."""
    taken_over: bool = False
    """Whether it is there, and the root that started it was another one."""
    was_left: bool = False
    """Whether the last root left it, and it has not been there since."""
    in_hand_file: Path | None = None
    """Where such a one notes what its agents are handling."""
    hosts: asyncio.Task[dict[str, Any]] | None = None
    """Asks such a one what it hosts."""
    arriving: asyncio.Future[Peer] | None = None
    """Set while somebody waits for it to join."""
    starting: asyncio.Task[Peer] | None = None

    @property
    def state(self) -> str:
        """`up`, `starting`, `leaving` or `down`."""
        if self.peer is not None:
            return "up" if self.host is not None else "leaving"
        return "starting" if self.starting is not None else "down"

    @property
    def is_succeeded(self) -> bool:
        """Whether another process stands by to take its place."""
        return self.successor is not None and self.successor.is_there

    @property
    def is_foreign(self) -> bool:
        """Whether this root did not start it."""
        return self.taken_over or not self.options.start

    @property
    def is_in_doubt(self) -> bool:
        """Whether it was taken over, and has not shown yet that it is there."""
        return self.hosts is not None and not self.hosts.done()

    def arrived(self, peer: Peer, pid: int, pid_space: str) -> None:
        """It is there."""
        self.peer = self.host = peer
        self.absent.clear()
        self.pid, self.pid_space, self.was_up = pid, pid_space, True
        self.was_left = False
        if self.arriving is not None and not self.arriving.done():
            self.arriving.set_result(peer)

    def leaves(self) -> None:
        """It is about to leave: another will come in its place, and nothing is started in this one any more."""
        self.host = None

    def left(self) -> None:
        """It is not there any more."""
        self.peer = self.host = self.pid = None
        self.absent.set()
        self.taken_over, self.in_hand_file = False, None
        if self.watch is not None:
            self.watch.close()
            self.watch = None

    def tried(self, starting: asyncio.Task[Peer]) -> None:
        """A start of it is over."""
        self.starting = None
        if not starting.cancelled():
            starting.exception()  # perhaps nobody waits for it any more


class Roster:
    """The OS processes of a system beside the root, by name.

    Args:
        processes: How to start each.
    """

    def __init__(self, processes: Mapping[str, ProcessOptions]) -> None:
        self._members = {name: Member(name, each) for name, each in processes.items()}
        self.opening = False
        """Whether the root takes over processes at this moment, and does not know yet which."""
        self.ending = False
        """Whether the system stops, so that nobody is started or taken in any more."""

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    def add(self, name: str, options: ProcessOptions) -> None:
        """There is to be one more, unless there is one of that name."""
        if name not in self._members:
            self._members[name] = Member(name, options, added=True)

    def add_replicas(self, names: Iterable[str]) -> None:
        """There are to be these, too, where they are called like a process of replicas with another number."""
        numbered = {_without_number(each.name): each.options for each in self}
        for name in names:
            if (options := numbered.get(_without_number(name))) is not None:
                self.add(name, options)

    def remove(self, member: Member) -> None:
        """Nothing is to run in a process any more, and it has ended."""
        self._members.pop(member.name, None)
        if member.dismissed is not None and not member.dismissed.done():
            member.dismissed.set_result(None)

    def get(self, name: str) -> Member | None:
        """The process of that name; None if the topology has none."""
        return self._members.get(name)

    def of(self, peer: Peer) -> Member | None:
        """The process that is there as `peer`; None for one that is gone."""
        member = self._members.get(peer.name)
        return member if member is not None and member.peer is peer else None

    def took_over(self, peer: Peer) -> bool:
        """Whether a process ran already when this root began to lead."""
        member = self.of(peer)
        return member is not None and member.taken_over

    def peers(self) -> list[Peer]:
        """Those that are there."""
        return [member.peer for member in self if member.peer is not None]

    def belongs(self, address: str) -> bool | None:
        """Whether a process that is there is reached at an address; None while that is not known."""
        if self.opening or self.ending:
            return None
        return any(peer.address == address for peer in self.peers())

    def leave(self, *, replaces: bool) -> None:
        """Another root is about to lead, and goes on with the processes that are there.

        Args:
            replaces: Whether it starts those again that the root starts, as it has other code.
        """
        for member in self:
            member.runs_on = member.peer is not None and not (replaces and member.options.start)

    def stay(self) -> None:
        """No process goes on without this root."""
        for member in self:
            member.runs_on = False

    def ending_peers(self) -> list[Peer]:
        """Those that are there, and end with this root."""
        return [each.peer for each in self if each.peer is not None and not each.runs_on]

    def remaining_peers(self) -> list[Peer]:
        """Those that are there, and go on under the next one."""
        return [each.peer for each in self if each.peer is not None and each.runs_on]

    def tell(self, what: str, *arguments: Any) -> None:
        """Tell everybody who is there to do something."""
        for peer in self.peers():
            peer.cast(what, *arguments)

    # What their deliveries are noted by, if they cannot do it themselves.

    def begun(self, peer: Peer, message_id: str, kept: bool) -> None:
        """A process on another machine is about to handle a message."""
        if not peer.gone:
            member = self._members[peer.name]
            member.in_hand[message_id] = member.in_hand.get(message_id, 0) + 1
            if kept:
                member.kept.add(message_id)

    async def take_in_hand(self, peer: Peer, message_id: str, kept: bool) -> None:
        """The same, as the process waits for it."""
        self.begun(peer, message_id, kept)

    def finished(self, peer: Peer, message_id: str) -> None:
        """It is finished with that."""
        self._members[peer.name].in_hand.pop(message_id, None)
        self._members[peer.name].kept.discard(message_id)

    def put_back(self, peer: Peer, message_id: str) -> None:
        """It ends well, and the incarnation that had a message last gives it back: that one does not count."""
        in_hand = self._members[peer.name].in_hand
        times = in_hand.pop(message_id, 0) - 1
        if times > 0:
            in_hand[message_id] = times


def _without_number(name: str) -> str:
    rest, _, number = name.rpartition("-")
    return rest if number.isdecimal() else name

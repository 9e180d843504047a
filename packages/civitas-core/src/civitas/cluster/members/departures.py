"""What the root does when a process is gone, however it went."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from civitas.cluster.failures import node_down
from civitas.cluster.members.incidents import Incidents
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.members.roster import Member, Roster
from civitas.cluster.peers import Peer
from civitas.launch import Exit, OsProcess
from civitas.launch.in_hand import Noted, read_in_hand
from civitas.process import ExitReason
from civitas.process.incident import of_departure

__all__ = ["Bereaved", "Departures"]

logger = logging.getLogger("civitas")


class Bereaved(Protocol):
    """Those at the root who must know that a process is gone."""

    def in_hand_of(self, member: Member) -> Path | None:
        """Where it noted what its agents were handling."""

    async def pump(self) -> None:
        """Take what it sent before it died: that counts."""

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        """Show that of each agent in it, before anybody is told."""

    def node_is_down(self, name: str, why: str) -> None:
        """Report it."""

    def part(self, boot: str, why: str, noted: Noted) -> None:
        """Nothing that was sent to it will be answered."""

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        """Each agent in it has crashed."""


class Departures:
    """Tells those who have met a process that it is gone, in an order in which nobody acts on what is no longer so.

    Args:
        roster: The processes.
        bereaved: Those at the root.
        knowledge: Which others have met a process.
    """

    def __init__(self, roster: Roster, bereaved: Bereaved, knowledge: Knowledge) -> None:
        self._roster = roster
        self._bereaved = bereaved
        self._knowledge = knowledge
        self._incidents = Incidents()

    def gone(
        self, member: Member, why: str, *, well: bool = False, has_ended: bool = False
    ) -> None:
        """A process is gone; does nothing if it was not there.

        Args:
            member: The process.
            why: What happened to it.
            well: Whether it had finished, or put back, everything.
            has_ended: Whether it begins with nothing any more. One that was only given up may.
        """
        peer = member.peer
        if peer is None:
            return
        noted = read_in_hand(self._bereaved.in_hand_of(member))
        # A process of another machine has not said that it began with what the broker keeps, only that it did so again.
        told = {id: times + (id in member.kept) for id, times in member.in_hand.items()}
        in_hand = noted.in_hand | told
        again = [*(id for id in noted.in_hand if id in noted.again), *told]
        is_known = well or (has_ended and noted.is_known)
        noted = Noted(in_hand, noted.finished, noted.kept | member.kept, is_known=is_known)
        member.in_hand, member.kept = {}, set()
        # Before the tree of a root that takes over has started, nobody else knows.
        member.was_left = member.is_in_doubt
        member.left()
        peer.incident = of_departure(peer.boot) if well else self._incidents.of(peer.boot, again)
        reason = node_down(member.name, peer.incident, why)
        self._bereaved.lost_with(peer, reason)
        if not self._roster.ending and member.dismissed is None:
            logger.log(
                logging.INFO if well else logging.ERROR, "process %r is down: %s", member.name, why
            )
            self._bereaved.node_is_down(member.name, why)
        for other in self._knowledge.acquaintances(peer.boot):
            other.cast("gone", peer.boot, why, in_hand)
        self._knowledge.left(peer.boot)
        self._bereaved.part(peer.boot, why, noted)
        self._bereaved.crashed_with(peer, reason)
        if member.dismissed is not None and member.process is None:
            self._roster.remove(member)

    def end(self, peer: Peer, why: str) -> None:
        """Treat a process that does not do what it should as gone, and make sure that it is."""
        member = self._roster.of(peer)
        if member is None:
            return
        logger.error("process %r: %s", member.name, why)
        if member.process is not None:
            member.process.kill()
        elif member.taken_over and member.options.start and member.watch is not None:
            member.watch.kill()
        self.gone(member, why)

    def unreadable(self, peer: Peer, why: str) -> None:
        """What a process sent cannot be read: it is broken."""
        self.end(peer, f"what it sent cannot be read: {why}")

    def could_not_read(self, reader: Peer, sender: Peer | None, why: str) -> None:
        """A process could not read what another sent to it, or the root where `sender` is the same."""
        if sender is reader:
            self.end(reader, f"it cannot read what the root sent: {why}")
        elif sender is not None:
            self.end(sender, f"{reader.name!r} cannot read what it sent: {why}")

    async def ended(self, member: Member, process: OsProcess, end: Exit) -> None:
        """A process that was started here has ended."""
        await self._bereaved.pump()
        if member.process is process:
            member.process = None
        if member.pid == process.pid:
            self.gone(member, end.text, has_ended=True)
        if member.dismissed is not None:
            self._roster.remove(member)

    async def ended_elsewhere(self, member: Member) -> None:
        """A process of this machine that somebody else started has ended."""
        peer = member.peer
        await self._bereaved.pump()
        if member.peer is peer:  # and not the next one already
            self.gone(member, "it ended", has_ended=True)

    def left(self, peer: Peer) -> None:
        """A process says that it has stopped what it hosted and leaves."""
        member = self._roster.of(peer)
        if member is not None and member.is_foreign:
            self.gone(member, "it was stopped", well=True)

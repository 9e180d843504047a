"""`Membership`: the processes of a system as the root has them, put together of its parts."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from civitas.cluster.calls import Calls
from civitas.cluster.children import RemoteChildren
from civitas.cluster.durable.granting import Left
from civitas.cluster.frames import Kind, own_version
from civitas.cluster.guests import Guests
from civitas.cluster.letters.letters import Letters
from civitas.cluster.members.admission import deployed_otherwise
from civitas.cluster.members.admitting import Admitting
from civitas.cluster.members.departures import Departures
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.members.roster import Member, Roster
from civitas.cluster.members.starting import Starting
from civitas.cluster.members.succession import Heir, Succession
from civitas.cluster.members.succession_notes import LeftMember, SuccessionNotes
from civitas.cluster.peers import Peer, Peers, reach
from civitas.cluster.seal import Seal
from civitas.events import EventType
from civitas.launch import Hold, PidWatch, pid_space
from civitas.launch.in_hand import Noted
from civitas.node import Events
from civitas.process import ExitReason
from civitas.supervision import RestartHistory
from civitas.telemetry import forwarding
from civitas.transport.contract import Transport
from civitas.transport.election import Lead

__all__ = ["Membership"]

_CLOCKS = 60.0
"""Seconds by which the clocks of machines may differ."""
_LAST_WORDS = 5.0
"""Seconds for a process to end by itself when the runtime stops, after its agents did."""


class Membership:
    """Who comes and who goes, and what the rest of the root hears of that.

    Args:
        roster: The processes.
        boot: Of the root.
        boot_data: What each process is told when it is started, as plain data.
        holds: What each that is started holds together with the root.
        seal: Of the system.
        transport: Of the root.
        peers: The processes that are there.
        knowledge: Which of them know which others.
        letters: The messages to and from them.
        children: The agents in them.
        events: Reports what happens.
        welcome: What a process is told about the root that is taken in.
        calls: To the processes.
        history: The latest restarts of the supervisors.
        inheritance: Sees to what a process hosts that was taken over, and to what its agents watch.
        forget_records_of: Drops what is recorded for messages, by their ids.
        guests: Those that only want to ask something.
        has_left: Called with the run of a process that is gone, and what it left behind.
    """

    def __init__(
        self,
        roster: Roster,
        boot: str,
        boot_data: Mapping[str, Any],
        holds: Sequence[Hold],
        seal: Seal,
        transport: Transport,
        *,
        peers: Peers,
        knowledge: Knowledge,
        letters: Letters,
        children: RemoteChildren,
        events: Events,
        welcome: Callable[[], Mapping[str, Any]],
        calls: Calls,
        history: RestartHistory,
        inheritance: Heir,
        forget_records_of: Callable[[Collection[str]], None],
        guests: Guests,
        has_left: Callable[[str, Left], None],
    ) -> None:
        self._roster = roster
        self._boot = boot
        self._transport = transport
        self._peers = peers
        self._knowledge = knowledge
        self._letters = letters
        self._children = children
        self._events = events
        self._welcome = welcome
        self._forget_records_of = forget_records_of
        self._has_left = has_left
        self._topology = str(boot_data.get("digest", ""))
        self.departures = Departures(roster, self, knowledge)
        self.starting = Starting(
            roster, boot_data, holds, lambda: transport.address, self.departures.ended
        )
        self.admitting = Admitting(
            roster,
            seal,
            boot,
            transport,
            meet=self._meet,
            welcome=self._whole_welcome,
            came=self._came,
            gone=self.departures.gone,
            ended=self._ended_elsewhere,
            guests=guests,
        )

        self.lead: Lead | None = None
        """What this root has where others may take over from it."""
        self._notes = SuccessionNotes()
        self._taken: Lead | None = None
        """The lead with which this root has taken over what the last one left, which stays noted until then."""
        self._calls = calls
        self.inherit: Callable[[Iterable[str], Mapping[str, str]], None] = _nothing
        """Takes over the answers to what was asked at former roots: their runs, and whom each message is for."""
        self.asked: Callable[[], Mapping[str, str]] = dict
        """Those of these messages whose answers are still waited for there, by id."""
        self.scaled: dict[str, int] = {}
        """By name, the replicas that it is to have where those are not the topology's."""
        self._known: tuple[LeftMember, ...] = ()
        """The processes that the next root surely knows of."""
        self._history = history
        self.succession = Succession(
            roster,
            peers,
            knowledge,
            calls,
            seal,
            meet=self._meet,
            welcome=self._whole_welcome,
            came=self._took_over,
            inheritance=inheritance,
        )

    async def take_over(self) -> None:
        """Take over the processes that the root before this one left."""
        self.inherit((), {})
        self._taken = self.lead
        if self.lead is not None:
            self.starting.outlives = self.lead.patience
            self.starting.noted = self._are_noted
            self._notes = SuccessionNotes.of(self.lead.left)
            self._known = self._notes.members
            self._history.changed = self.note
            self._history.load(self._notes.restarts)
            last = self.lead.last
            # Processes that nobody took over have ended long ago.
            if last is not None and time.time() - last.renewed < self.lead.patience + _CLOCKS:
                self.inherit(self._notes.former, self._notes.asked)
                self.scaled.update(self._notes.scaled)
                if self.scaled:
                    self._roster.add_replicas(each.name for each in self._notes.members)
                await self.succession.take_over(self._notes.members)

    async def hand_over(self, passes_on: Callable[[], SuccessionNotes]) -> None:
        """Leave the processes that run on to the root that takes over, and end the others.

        Args:
            passes_on: What else that one is to know; called when no process says anything more to this one.
        """
        remaining = self._roster.remaining_peers()
        if self._roster.ending_peers():
            await self._end_all()
        else:
            self._end_none()
        with suppress(TimeoutError):  # one that hangs, and finds out later
            async with asyncio.timeout(_LAST_WORDS):
                passing = (self._calls.call(each, "passes") for each in remaining)
                await asyncio.gather(*passing, return_exceptions=True)
        self._notes = replace(passes_on(), members=self._members(), **self._told())
        if self._taken is not None and self._taken is self.lead:
            self._taken.note(self._notes.raw())
        for each in remaining:
            each.cast("handed_over")
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await asyncio.gather(*(each.link.flushed() for each in remaining))
        self.starting.let_go_all()

    async def close(self) -> None:
        """End every process, and wait until none that was started here is left."""
        await self._end_all()
        if self.lead is not None:
            self.lead.note(SuccessionNotes().raw())
        self.scaled.clear()
        for member in list(self._roster):
            member.left()
            member.was_up = False
            if member.added:
                self._roster.remove(member)

    def _end_none(self) -> None:
        self._roster.ending = True
        self.succession.close()
        self.starting.give_up()

    async def _end_all(self) -> None:
        """End every process that does not run on, and wait until none of them that was started here is left."""
        self._end_none()
        for peer in self._roster.ending_peers():
            peer.cast("end")
        await self._say_last_words()
        await self.starting.end_all(_LAST_WORDS)

    async def _say_last_words(self) -> None:
        """Processes that were started elsewhere outlive the links to them: let those carry what was said.

        They say when they have ended: until then they may read what is to stay in their mailboxes.
        """
        waiting = [
            member.absent.wait()
            for member in self._roster
            if member.peer is not None and member.is_foreign and not member.runs_on
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await asyncio.gather(*waiting)

    # Those that come.

    def _meet(self, name: str, boot: str, address: str) -> Peer:
        lost = partial(self._unreachable, boot)
        peer = reach(self._transport, name, boot, address, self._boot, lost)
        self._peers.met(peer)
        return peer

    def _unreachable(self, boot: str) -> None:
        """A member could not be reached for `node_timeout`: it is down, whatever it does."""
        peer = self._peers.get(boot)
        if peer is not None:
            self.departures.end(peer, "it could not be reached for node_timeout")

    def _whole_welcome(self, member: Member) -> dict[str, Any]:
        return {
            **self._welcome(),
            "in_hand": str(self.in_hand_of(member)),
            "pid": os.getpid(),
            "pid_space": pid_space(),
            "spans": forwarding.wanted(),
            "address": self._transport.address,
            "term": 0 if self.lead is None else self.lead.leader.term,
            "patience": 0.0 if self.lead is None else self.lead.patience,
            "remind": None if self.lead is None else self.lead.remind,
            "place": "" if self.lead is None else self.lead.place,
        }

    def _took_over(self, member: Member, left: LeftMember) -> None:
        if left.pid_space == pid_space() != "":
            member.watch = PidWatch(left.pid, lambda: self._ended_elsewhere(member))

    def note(self) -> None:
        """Note for the next root what it needs to take over."""
        if self.lead is None or self._roster.ending:
            return
        former, asked = tuple(self._peers.former), self.asked()
        self._notes = SuccessionNotes(self._members(), former=former, asked=asked, **self._told())
        self.lead.note(self._notes.raw())

    def _members(self) -> tuple[LeftMember, ...]:
        there = ((each, each.peer) for each in self._roster)
        return tuple(
            LeftMember(
                each.name,
                peer.boot,
                peer.address,
                each.pid or 0,
                each.pid_space,
                str(self.in_hand_of(each) or ""),
            )
            for each, peer in there
            if peer is not None
        )

    def _told(self) -> dict[str, Any]:
        return {"restarts": self._history.plain(), "scaled": self.scaled}

    async def _are_noted(self) -> None:
        """Wait until the next root would know of all processes that are there."""
        while self.lead is not None and self._known != self._notes.members:
            members = self._notes.members
            await self.lead.noted()
            self._known = members

    def _came(self, member: Member) -> None:
        self.note()
        self._tell_of("node_up", member.name, "", f"{member.name} is up (pid {member.pid})")
        other = deployed_otherwise(member, self._topology, own_version())
        if other:
            self._tell_of("deployed", member.name, "joined", f"{member.name} joined with {other}")

    def _tell_of(self, type: EventType, process: str, reason: str, message: str) -> None:
        self._events.emit(type, process, reason, message, process)

    # Those that go.

    async def is_leaving(self, peer: Peer) -> None:
        """A process is about to leave: what comes for its agents waits."""
        member = self._roster.of(peer)
        if member is not None and not member.options.start:
            member.leaves()
        self._letters.names.hold_back(peer.boot)
        self._knowledge.leaves(peer.boot)

    def is_succeeded(self, peer: Peer) -> bool:
        """Whether another process stands by to take the place of one."""
        member = self._roster.of(peer)
        return member is not None and member.is_succeeded

    def cannot_reach(self, peer: Peer, boot: str) -> None:
        """A process has no way to another one."""
        other = self._peers.get(boot)
        if other is not None:
            self.departures.end(other, f"{peer.name!r} cannot reach it")

    def could_not_read(self, peer: Peer, boot: str, why: str) -> None:
        """A process could not read what another, or the root, sent to it."""
        sender = peer if boot == self._boot else self._peers.get(boot)
        self.departures.could_not_read(peer, sender, why)

    def _ended_elsewhere(self, member: Member) -> None:
        self.starting.look_after(self.departures.ended_elsewhere(member))

    def in_hand_of(self, member: Member) -> Path | None:
        """Where a process notes what its agents were handling."""
        return member.in_hand_file or self.starting.in_hand_of(member)

    async def pump(self) -> None:
        """Take what arrived already."""
        await self._transport.pump()

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: show that of each agent in it."""
        self._children.lost_with(peer, reason)

    def node_is_down(self, name: str, why: str) -> None:
        """Report that a process is gone."""
        self._tell_of("node_down", name, "node_down", f"{name} is down: {why}")

    def part(self, boot: str, why: str, noted: Noted) -> None:
        """Nothing that was sent to a process will be answered."""
        in_hand, finished = noted.in_hand, noted.finished
        kept, done = (
            {id: times for id, times in each.items() if id in noted.kept}
            for each in (in_hand, finished)
        )
        self._has_left(boot, Left(kept, done, noted.is_known))
        self.note()
        self._letters.part(boot, why, in_hand, finished)
        # What is to be delivered again stands here, or the broker or the state store keeps it. Of all else that the
        # process had, what it recorded is left over.
        had, out = in_hand if self._roster.ending else (*in_hand, *finished), self._letters.out
        over = {id for id in had if not (id in noted.kept or out.has(id) or out.is_kept(id))}
        if over:
            self._forget_records_of(over)

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: each agent in it has crashed. Another may stand by."""
        self._children.crashed_with(peer, reason)
        self.admitting.place_is_free(peer.name)

    # Those that cannot reach each other.

    def pass_parcel(self, _: Peer, boot: str, parcel: list[bytes]) -> None:
        """A member has no way to another, so what it sends goes there from here."""
        other = self._peers.get(boot)
        if other is not None:
            other.send(Kind.PARCEL, boot, parcel)


def _nothing(*_: object) -> None: ...

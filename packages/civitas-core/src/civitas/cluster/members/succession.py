"""How a root that leads takes over the processes of the one that led before, without restarting them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from civitas.cluster.calls import Calls
from civitas.cluster.frames import Kind
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.members.roster import Member, Roster
from civitas.cluster.members.succession_notes import LeftMember
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.seal import Seal
from civitas.errors import NodeDown
from civitas.launch import pid_space

__all__ = ["Succession"]

logger = logging.getLogger("civitas")

_HEARD = 1.0
"""Seconds to wait for all of them to show that they are there; who does not is waited for beside what goes on."""


class Heir(Protocol):
    """Gives what others began under the last root a place at this one."""

    async def take(self, peer: Peer, agents: Mapping[str, Any]) -> None:
        """A process hosts these, which the tree may not have: how each was made, by name."""

    async def watch_on(self, monitors: Iterable[Sequence[str]]) -> None:
        """The agents of a process watch others: the reference of each monitor, who watches, and whom."""


class Succession:
    """Takes over the processes that another root left.

    Each is told that this root leads now, and asked what it hosts. The tree then starts its children as always: a
    process says of those that are running there already that they are.

    Args:
        roster: The processes of the topology.
        peers: Those that are there.
        knowledge: Which of them know which others.
        calls: To them.
        seal: Of the system.
        meet: Makes a way to a process: its name, boot id and address.
        welcome: What a process is told about this root.
        came: Called when one was taken over.
        inheritance: Sees to what a process hosts, and to what its agents watch.
    """

    def __init__(
        self,
        roster: Roster,
        peers: Peers,
        knowledge: Knowledge,
        calls: Calls,
        seal: Seal,
        *,
        meet: Callable[[str, str, str], Peer],
        welcome: Callable[[Member], Mapping[str, Any]],
        came: Callable[[Member, LeftMember], None],
        inheritance: Heir,
    ) -> None:
        self._roster = roster
        self._peers = peers
        self._knowledge = knowledge
        self._calls = calls
        self._seal = seal
        self._meet = meet
        self._welcome = welcome
        self._came = came
        self._inheritance = inheritance
        self._settling: set[asyncio.Task[None]] = set()

    async def take_over(self, left: tuple[LeftMember, ...]) -> None:
        """Take over the processes that were left; the tree may start when this returns."""
        for each in left:
            member = self._roster.get(each.name)
            if member is None:
                continue
            if _has_ended(each):
                member.was_left = True
            else:
                self._take_over(member, each)
        asking = [member.hosts for member in self._roster if member.hosts is not None]
        if asking:
            heard, _ = await asyncio.wait(asking, timeout=_HEARD)
            self._refuse_those_given_up(heard)

    def _take_over(self, member: Member, left: LeftMember) -> None:
        logger.info("taking over process %r (pid %d)", left.name, left.pid)
        peer = self._meet(left.name, left.boot, left.address)
        member.arrived(peer, left.pid, left.pid_space)
        member.taken_over = True
        member.in_hand_file = Path(left.in_hand) if left.in_hand else None
        self._came(member, left)
        peer.introduce(Kind.WELCOME, self._seal, dict(self._welcome(member)))
        loop = asyncio.get_running_loop()
        member.hosts = loop.create_task(self._calls.call(peer, "hosted"))
        member.hosts.add_done_callback(_seen)

    def _refuse_those_given_up(self, heard: Iterable[asyncio.Task[dict[str, Any]]]) -> None:
        """End those that others were told to be gone: the last root gave them up, and could not note that any more.

        Whoever was told so drops what they say, and they would wait for each other.
        """
        for asking in heard:
            if asking.cancelled() or asking.exception() is not None:
                continue
            for boot in asking.result()["gone"]:
                peer = self._peers.get(boot)
                member = None if peer is None else self._roster.of(peer)
                if peer is not None and member is not None and member.taken_over:
                    why = f"process {peer.name!r} could not be reached, and the last root went on without it"
                    peer.introduce(Kind.REFUSED, self._seal, why)

    async def settle(self) -> None:
        """The tree has started: see to what it does not have, and let the processes know that all can be found."""
        there = [
            member for member in self._roster if member.taken_over and member.hosts is not None
        ]
        for member in there:
            if member.is_in_doubt:
                self._settle_later(member)
        sure = [member for member in there if not member.is_in_doubt]
        await asyncio.gather(*(self._see_to(member) for member in sure))
        for member in sure:
            if member.peer is not None:
                member.peer.cast("settled")
        if self._settling:
            self._look_after(self._watch_on(there, after=list(self._settling)))
        else:
            await self._watch_on(there)

    async def _watch_on(
        self, members: list[Member], after: Iterable[asyncio.Task[None]] = ()
    ) -> None:
        """Go on with what the agents there watch, once it is known which of those run on."""
        if after:
            await asyncio.wait(after)
        for member in members:
            asked = member.hosts
            if asked is not None and not asked.cancelled() and asked.exception() is None:
                await self._inheritance.watch_on(asked.result().get("monitors", ()))

    def _settle_later(self, member: Member) -> None:
        async def settle() -> None:
            await self._see_to(member)
            if member.peer is not None:
                member.peer.cast("settled")

        self._look_after(settle())

    def _look_after(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _see_to(self, member: Member) -> None:
        peer, asking = member.peer, member.hosts
        if peer is None or asking is None:
            return
        try:
            hosts = await asyncio.shield(asking)
        except NodeDown:
            return
        self._refuse_those_given_up([asking])
        for boot in hosts["met"]:
            if not self._knowledge.have_met(peer, boot):
                peer.cast("gone", boot, "it ended while no root led", {})
        await self._inheritance.take(peer, hosts["agents"])

    def close(self) -> None:
        """Wait for nobody any more."""
        for member in self._roster:
            if member.hosts is not None:
                member.hosts.cancel()
                member.hosts = None
        for task in self._settling:
            task.cancel()


def _has_ended(left: LeftMember) -> bool:
    """Whether a process is known to be gone, as it was on this machine."""
    if left.pid_space != pid_space() or not left.pid_space:
        return False
    try:
        os.kill(left.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # whoever waits for it hears of it

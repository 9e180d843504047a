"""How the other OS processes of a system drain, and are brought to rest when another version takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from civitas.cluster.calls import Calls
from civitas.cluster.children import RemoteChildren
from civitas.cluster.desk import Serves
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.letters import Letters
from civitas.cluster.members.roster import Roster
from civitas.cluster.members.starting import Starting
from civitas.cluster.peers import Peer
from civitas.node import Node
from civitas.node.quiescing import Quiescing
from civitas.process import Delivery

__all__ = ["QuiescingMember", "QuiescingMembers"]

_PATIENCE = 5.0
"""Seconds for a process to end what its agents are handling."""


class QuiescingMembers:
    """Lets the members do, each at the same time, what they do before the system stops, or passes on what it has.

    Args:
        roster: They.
        children: Their agents.
        calls: To them.
        letters: What was sent to them.
        starting: Starts them.
    """

    def __init__(
        self,
        roster: Roster,
        children: RemoteChildren,
        calls: Calls,
        letters: Letters,
        starting: Starting,
    ) -> None:
        self._roster = roster
        self._children = children
        self._calls = calls
        self._letters = letters
        self.prepare = starting.prepare_all

    async def drained(self) -> bool:
        """Wait until none has anything left to do; returns whether one had."""
        return await self._did("drain") or self._letters.is_sending()

    async def rest(self) -> bool:
        """See `OtherProcesses.rest`."""
        for child in self._children.values():
            child.rests()
        return await self._did("rest") or any(len(each.outbox) for each in passing(self._letters))

    async def interrupt(self) -> None:
        """See `OtherProcesses.interrupt`."""
        with suppress(TimeoutError):  # its event loop is blocked: it ends with its process
            async with asyncio.timeout(_PATIENCE):
                await self._did("interrupt")

    async def _did(self, what: str) -> bool:
        calls = (self._calls.call(peer, what) for peer in self._roster.ending_peers())
        done = await asyncio.gather(*calls, return_exceptions=True)
        return any(each is not False for each in done)  # one that is gone may have been at work


class QuiescingMember:
    """Does so at a member.

    Args:
        node: The member.
        letters: Its messages.
        pass_on: Called first: what is kept for its agents is for others from then on.
    """

    def __init__(self, node: Node, letters: Letters, pass_on: Callable[[], None]) -> None:
        self._pass_on = pass_on
        self._node = node
        self._letters = letters
        self._quiescing = Quiescing(node, None)
        self.serves: dict[str, Serves] = {
            "drain": self._drain,
            "rest": self._rest,
            "interrupt": self._interrupt,
        }
        """What is done for each call of the root."""

    async def _drain(self, _: Peer) -> bool:
        """Wait until nothing is left to do here; returns whether there was something."""
        busy = any(cell.busy for cell in self._node.registry.values())
        worked = self._letters.is_sending() or busy
        await self._node.drained()
        return worked

    async def pass_on(self) -> None:
        """Let another process go on with what is left, as soon as no step is under way."""
        await self._rest()
        await self._quiescing.interrupt()

    async def _rest(self, _: Peer | None = None) -> bool:
        """Bring the agents here to rest; returns whether one was at work."""
        self._pass_on()
        worked = self._quiescing.is_busy or any(len(each.outbox) for each in passing(self._letters))
        await self._quiescing.reach()
        for each in list(passing(self._letters)):
            await each.outbox.drained()
        return worked

    async def _interrupt(self, _: Peer) -> bool:
        await self._quiescing.interrupt()
        return False


def passing(letters: Letters) -> Iterator[Elsewhere]:
    """The agents of other nodes whose messages end with the system: those of durable agents are kept."""
    return (each for each in letters.names.elsewhere() if each.facts.delivery != Delivery.DURABLE)

"""More or fewer OS processes behind one name, while messages flow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from civitas.cluster.calls import Calls
from civitas.cluster.child import RemoteChild
from civitas.cluster.children import RemoteChildren
from civitas.cluster.letters.letters import Letters
from civitas.cluster.letters.relay import Relay
from civitas.cluster.members.roster import Roster
from civitas.errors import CivitasError, ConfigurationError, NodeDown
from civitas.supervision import Parent, SupervisorProcess

__all__ = ["Scaling"]

logger = logging.getLogger("civitas")

_LAST_WORDS = 5.0
"""Seconds for a process to end by itself in which nothing runs any more."""


class Scaling:
    """Adds and removes what stands behind a name.

    Args:
        roster: The processes.
        children: The agents in them.
        letters: The messages to them.
        relay: Has what stands behind a name.
        calls: To the processes.
        wanted: By name, how many are to be behind it where those are not the topology's.
        changed: Called when that has changed.
    """

    def __init__(
        self,
        roster: Roster,
        children: RemoteChildren,
        letters: Letters,
        relay: Relay,
        calls: Calls,
        wanted: dict[str, int],
        changed: Callable[[], None],
    ) -> None:
        self._roster = roster
        self._children = children
        self._letters = letters
        self._relay = relay
        self._calls = calls
        self._wanted = wanted
        self._changed = changed
        self._one_at_a_time = asyncio.Lock()

    async def go_on(self, supervisors: Mapping[str, Parent]) -> None:
        """Let there be as many as the last root had."""
        for name, replicas in list(self._wanted.items()):
            supervisor = supervisors.get(name)
            try:
                if not isinstance(supervisor, SupervisorProcess):
                    raise ConfigurationError("there is no such supervisor any more")
                await self.scale(supervisor, replicas)
            except CivitasError as error:
                logger.warning("%r does not get the %d replicas it had: %s", name, replicas, error)
                self._wanted.pop(name, None)
        for member in [each for each in self._roster if each.added]:
            await self._dismiss(member.name)

    async def scale(
        self, supervisor: SupervisorProcess, replicas: int, *, at_least: bool = False
    ) -> None:
        """Let there be so many replicas below their supervisor, or more if `at_least`; see `Runtime.scale`."""
        async with self._one_at_a_time:
            there = self._replicas(supervisor)
            if at_least and len(there) >= replicas:
                return
            self._note(supervisor, replicas)
            try:
                for _ in range(replicas - len(there)):
                    await self._add(supervisor)
                for child in there[replicas:]:
                    await self._remove(supervisor, child)
            finally:
                self._note(supervisor, len(self._replicas(supervisor)))

    def _note(self, supervisor: SupervisorProcess, replicas: int) -> None:
        self._wanted[supervisor.name] = replicas
        self._changed()

    def _replicas(self, supervisor: SupervisorProcess) -> list[RemoteChild]:
        """What is below it, in the order of the numbers."""
        found = [
            self._children[each.name] for each in supervisor.children if each.name in self._children
        ]
        if self._relay.group(supervisor.name) is None or not found:
            raise ConfigurationError(
                f"{supervisor.name!r} has no replicas. Only what has 'replicas' of at least 2 in the topology can have "
                "more or fewer"
            )
        return sorted(found, key=lambda child: _number_in(child.name))

    async def _add(self, supervisor: SupervisorProcess) -> None:
        there = self._replicas(supervisor)
        taken = {_number_in(child.name) for child in there}
        number = next(n for n in range(1, len(there) + 2) if n not in taken)
        like = there[0]
        name, process = (f"{each.rpartition('-')[0]}-{number}" for each in (like.name, like.node))
        self._roster.add(process, self._roster[like.node].options)
        try:
            await supervisor.start_child(replace(like.spec, name=name, process=process))
        except BaseException:
            await self._dismiss(process)
            raise

    async def _remove(self, supervisor: SupervisorProcess, child: RemoteChild) -> None:
        group = self._relay.group(supervisor.name)
        assert group is not None  # it has replicas
        group.retire(child.name)
        await self._finished(child)
        self._relay.retired(supervisor.name, child.name, self._letters.out.move)
        await supervisor.terminate_child(child.name)
        await supervisor.delete_child(child.name)
        await self._dismiss(child.node)

    async def _finished(self, child: RemoteChild) -> None:
        """Wait until one has finished what it was sent; what comes meanwhile stays here."""
        boxes = self._letters.names.hold_back_for(child.name)
        while child.peer is not None and any(map(self._letters.out.is_under_way, boxes)):
            try:
                await child.peer.link.flushed()
                await self._calls.call(child.peer, "drain")
            except NodeDown:
                return  # what it was to do again goes to another anyway

    async def _dismiss(self, process: str) -> None:
        """End a process in which nothing runs any more, if it was started here."""
        member = self._roster.get(process)
        if member is None or any(child.node == process for child in self._children.values()):
            return
        if not member.options.start:
            return  # it waits for what is added next
        member.dismissed = asyncio.get_running_loop().create_future()
        if member.process is None and member.peer is None:
            self._roster.remove(member)
        elif member.peer is not None:
            member.peer.cast("end")
        done, _ = await asyncio.wait({member.dismissed}, timeout=_LAST_WORDS)
        if not done and member.process is not None:
            member.process.kill()
            await asyncio.wait({member.dismissed})
        elif not done:  # it was taken over
            if member.watch is not None:
                member.watch.kill()
            self._roster.remove(member)


def _number_in(name: str) -> int:
    return int(name.rpartition("-")[2])

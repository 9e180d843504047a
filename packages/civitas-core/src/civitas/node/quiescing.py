"""`Quiescing`: brings agents to where another version of the program can go on with their work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from civitas.node.node import Node
from civitas.node.other_processes import OtherProcesses
from civitas.process import Cell, Delivery
from civitas.supervision import ConversationPoolProcess

__all__ = ["Quiescing", "quiesce_within"]

logger = logging.getLogger("civitas")

_LOOK = 0.005
"""Seconds between two looks."""


class Quiescing:
    """Brings the agents of a node to where another version of the program can go on with their work.

    Args:
        node: The node.
        others: Those that are brought to rest with it; None for a node that decides nothing for others.
    """

    def __init__(self, node: Node, others: OtherProcesses | None) -> None:
        self._node = node
        self._others = others
        self._stopping: list[asyncio.Task[None]] = []

    async def reach(self) -> None:
        """Let no step of a durable agent begin any more; wait until none is under way, and the other agents are idle.

        Agents whose messages are kept take no further ones.
        """
        self._begin()
        while True:
            while self.is_busy:
                await asyncio.sleep(_LOOK)
            worked = await self._others.rest() if self._others is not None else False
            if not worked and not self.is_busy:
                return
            await asyncio.sleep(_LOOK)  # a process that is gone says so at once

    @property
    def is_busy(self) -> bool:
        """Whether an agent of this node is at work."""
        return not all(self._rests(cell) for cell in self._cells())

    async def interrupt(self) -> None:
        """End at once whatever agents are handling; a durable one goes on with it in the other version."""
        self._node.stops = True
        await self._node.registry.interrupt()
        for task in self._stopping:
            task.cancel()
        await asyncio.gather(*self._stopping, return_exceptions=True)
        self._stopping.clear()
        if self._others is not None:
            await self._others.interrupt()

    def _begin(self) -> None:
        gate = self._node.step_gate
        if gate.is_shut:
            return
        gate.shut()
        for pool in self._node.registry.pools.values():
            # A conversation that begins from now on has nothing to do here.
            if isinstance(pool, ConversationPoolProcess) and _is_durable(pool):
                pool.pause(True)
        for cell in self._cells():
            if self._node.outlives(cell):
                cell.pause(True)
            if cell.delivery is Delivery.DURABLE:
                # A framework that knows its own steps ends behind the one that it is in.
                stopping = cell.stop("another version takes over")
                self._stopping.append(asyncio.create_task(stopping))

    def _cells(self) -> Iterator[Cell]:
        return (each for each in list(self._node.registry.values()) if isinstance(each, Cell))

    def _rests(self, cell: Cell) -> bool:
        if not cell.busy or cell.delivery is not Delivery.DURABLE:
            return not cell.busy
        return self._node.step_gate.stands_at(cell.name, len(cell.asking))


async def quiesce_within(node: Node, name: str, drain_timeout: float) -> None:
    """Bring the agents of a system to rest, and interrupt those that do not come to it in time.

    Args:
        node: The root.
        name: Of the system.
        drain_timeout: Seconds.
    """
    quiescing = Quiescing(node, node.others)
    try:
        async with asyncio.timeout(drain_timeout):
            await quiescing.reach()
    except TimeoutError:
        logger.warning(
            "runtime %r: agents were still at work after drain_timeout=%g s; the step that a durable agent was "
            "doing is done again by the next version, and what others were doing was dropped",
            name,
            drain_timeout,
        )
    await quiescing.interrupt()


def _is_durable(pool: ConversationPoolProcess) -> bool:
    return pool.pool.child._civitas_options.delivery is Delivery.DURABLE

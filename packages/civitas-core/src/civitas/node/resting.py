"""Brings the agents of a node to where another version of the program can go on with their work."""

from __future__ import annotations

import asyncio

from civitas.node.node import Node
from civitas.process import Cell, Delivery

__all__ = ["bring_to_rest"]

_LOOK = 0.005
"""Seconds between two looks."""


async def bring_to_rest(node: Node) -> None:
    """Let no step of a durable agent begin any more, and wait until none is under way and the other agents are idle.

    Durable agents take no further messages: those are in the store.
    """
    node.step_gate.shut()
    cells = [each for each in node.registry.values() if isinstance(each, Cell)]
    stopping = []
    for cell in cells:
        if cell.delivery is Delivery.DURABLE:
            cell.pause(True)
            # A framework that knows its own steps ends behind the one that it is in.
            stopping.append(asyncio.create_task(cell.stop("another version takes over")))
    try:
        while not all(_rests(node, cell) for cell in cells):
            await asyncio.sleep(_LOOK)
        await node.registry.interrupt()
    finally:
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)


def _rests(node: Node, cell: Cell) -> bool:
    if not cell.busy or cell.delivery is not Delivery.DURABLE:
        return not cell.busy
    return node.step_gate.stands_at(cell.name, len(cell.asking))

"""Makes room for a process that is one more replica than the topology has, as a cluster starts it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from civitas.control import NotRunning
from civitas.control.client import NotAnswering
from civitas.errors import NodeDown
from civitas.topology import Links, Topology
from civitas.topology.processes import further_replica

__all__ = ["make_room"]

_AGAIN = 0.2
"""Seconds between two looks for the root."""
_PATIENCE = 5.0


async def make_room(topology: Topology, process: str) -> None:
    """Return when the root knows a process; at once for one of the topology.

    Args:
        topology: Of the system.
        process: Its name.

    Raises:
        RemoteError: The root refuses.
    """
    further = further_replica(topology, process)
    if further is None:
        return
    # Imported here: nearly all processes are those of the topology.
    from civitas.control.remote import RemoteClient
    from civitas.plugins import PluginManager

    agent, number = further
    links = Links(topology, PluginManager())
    while True:
        try:
            async with RemoteClient(topology.name, links) as root:
                asking = asyncio.create_task(root.request("make_room", name=agent, replicas=number))
                try:
                    while not asking.done():
                        if process in _processes(await root.request("tree", within=_PATIENCE)):
                            return
                        await asyncio.wait({asking}, timeout=_AGAIN)
                    asking.result()
                    return
                finally:
                    asking.cancel()  # the root goes on with it
                    await asyncio.gather(asking, return_exceptions=True)
        except (NotRunning, NotAnswering, NodeDown):
            await asyncio.sleep(_AGAIN)


def _processes(tree: dict[str, Any]) -> Iterator[str]:
    yield tree["node"]
    for child in tree["children"]:
        yield from _processes(child)

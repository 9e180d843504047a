"""From what a topology says of its transport to the transport itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from civitas.topology.model import Topology
from civitas.transport.contract import Transport

__all__ = ["TRANSPORT_KEYS", "transport_beside", "transport_of"]

TRANSPORT_KEYS = ("address", "keys")
"""What stands beside `type: zmq`."""


def transport_of(topology: Topology) -> Transport:
    """The transport of the root node.

    Raises:
        ConfigurationError: The extra that brings it is not installed, or its keys cannot be read.
    """
    return _zmq(topology, topology.transport.further.get("address"))


def transport_beside(topology: Topology, root: str) -> Transport:
    """The transport of a member, reached the same way as the root at the address `root`."""
    if root.startswith("ipc"):
        # In the root's own folder, which the root removes: a member may be killed, and cannot clean up.
        socket = root.removeprefix("ipc://").partition("#")[0]
        return _zmq(topology, None, Path(socket).parent)
    host = root.removeprefix("tcp://").rpartition(":")[0]
    return _zmq(topology, f"tcp://{host}:*")


def _zmq(topology: Topology, address: str | None, above: Path | None = None) -> Transport:
    # Imported here: a system of one OS process does without.
    from civitas.transport.keys import Keys
    from civitas.transport.zmq import ZmqTransport

    options: dict[str, Any] = {"node_timeout": topology.runtime.node_timeout, "folder": above}
    keys = topology.transport.further.get("keys")
    if keys is not None:
        file = Path(keys).expanduser()
        folder = topology.source.folder
        options["keys"] = Keys.load(file if folder is None else folder / file)
    return ZmqTransport(address=address, **options)

"""From what a topology says of its transport to the transport itself."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from civitas.errors import ConfigurationError
from civitas.message import Serializer
from civitas.topology.model import Topology
from civitas.topology.place import open_state_folder, state_folder
from civitas.transport.contract import Transport

__all__ = [
    "SERIALIZER",
    "TRANSPORT_KEYS",
    "root_address",
    "serializer_of",
    "transport_beside",
    "transport_of",
]

SERIALIZER = "CIVITAS_SERIALIZER"
"""The environment variable that chooses the format of messages between OS processes, whatever a topology says."""

TRANSPORT_KEYS = ("address", "keys")
"""What stands beside `type: zmq`."""

_SOCKET = "root.sock"
"""In the state folder, for processes that are started elsewhere."""


def serializer_of(topology: Topology) -> Serializer:
    """The format in which this process sends messages to others; it reads every format.

    Raises:
        ConfigurationError: The environment names one that there is not.
    """
    named = os.environ.get(SERIALIZER, "").strip().lower()
    if not named:
        return topology.serializer
    if named not in list(Serializer):
        raise ConfigurationError(f"{SERIALIZER} is one of {', '.join(Serializer)}; got {named!r}")
    return Serializer(named)


def transport_of(topology: Topology) -> Transport:
    """The transport of the root node.

    Raises:
        ConfigurationError: The extra that brings it is not installed, or its keys cannot be read.
    """
    if not _is_awaited(topology):
        return _zmq(topology, _given(topology))
    if _given(topology) is None:
        open_state_folder(_folder(topology))
    return _zmq(topology, root_address(topology))


def root_address(topology: Topology) -> str:
    """Where a process that is started elsewhere finds the root.

    Raises:
        ConfigurationError: The topology is no file and gives no address, so that there is no place to meet.
    """
    return _given(topology) or f"ipc://{_folder(topology) / _SOCKET}"


def transport_beside(topology: Topology, root: str, folder: Path | None = None) -> Transport:
    """The transport of a member, reached the same way as the root.

    Args:
        topology: Of the system.
        root: The address of the root.
        folder: Where to make a socket: a folder that the root removes, as a member may be killed and cannot.

    Raises:
        ConfigurationError: There is no way from here to the root's machine.
    """
    endpoint = root.partition("#")[0]
    if endpoint.startswith("ipc:"):
        return _zmq(topology, None, folder)
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return _zmq(topology, f"tcp://{_own_host(host.strip('[]'), port)}:*")


def _is_awaited(topology: Topology) -> bool:
    """Whether the root waits for a process that is started elsewhere."""
    return any(not each.start for each in topology.processes.values())


def _given(topology: Topology) -> str | None:
    address: str | None = topology.transport.further.get("address")
    folder = topology.source.folder
    if address is None or not address.startswith("ipc://") or folder is None:
        return address
    return f"ipc://{folder / Path(address.removeprefix('ipc://')).expanduser()}"


def _folder(topology: Topology) -> Path:
    file = topology.source.file
    if file is None:
        raise ConfigurationError(
            "a process with 'start: false' needs a place to meet the root, and this topology is no file; "
            "write transport: {type: zmq, address: 'tcp://127.0.0.1:PORT'}"
        )
    return state_folder(topology.name, Path(file))


def _own_host(host: str, port: str) -> str:
    """The address of this machine on the way to `host`, where it reaches back."""
    try:
        kind, _, _, _, there = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][:5]
        with socket.socket(kind, socket.SOCK_DGRAM) as way:
            way.connect(there)  # of UDP: nothing is sent, a route is looked up
            own = str(way.getsockname()[0])
    except OSError as error:
        raise ConfigurationError(
            f"there is no way to the root at tcp://{host}:{port}: {error.strerror}"
        ) from error
    return f"[{own}]" if ":" in own else own


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

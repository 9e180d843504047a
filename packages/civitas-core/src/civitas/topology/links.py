"""From what a topology says of its transport to the transport itself."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from civitas.errors import ConfigurationError
from civitas.message import Serializer
from civitas.topology.model import Topology
from civitas.topology.place import open_state_folder
from civitas.topology.places import given_address, is_awaited, system_folder
from civitas.transport.contract import Transport

if TYPE_CHECKING:
    from civitas.transport.keys import Keys

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


def transport_of(topology: Topology, keys: Keys | None) -> Transport:
    """The transport of the root node.

    Args:
        topology: Of the system.
        keys: Of its `Access`.

    Raises:
        ConfigurationError: The extra that brings it is not installed.
    """
    if not is_awaited(topology):
        return _zmq(topology, given_address(topology), keys)
    if given_address(topology) is None:
        open_state_folder(system_folder(topology))
    return _zmq(topology, root_address(topology), keys)


def root_address(topology: Topology) -> str:
    """Where a process that is started elsewhere finds the root.

    Raises:
        ConfigurationError: The topology is no file and gives no address, so that there is no place to meet.
    """
    return given_address(topology) or f"ipc://{system_folder(topology) / _SOCKET}"


def transport_beside(
    topology: Topology, root: str, keys: Keys | None, folder: Path | None = None
) -> Transport:
    """The transport of a member, reached the same way as the root.

    Args:
        topology: Of the system.
        root: The address of the root.
        keys: Of the system's `Access`.
        folder: Where to make a socket: a folder that the root removes, as a member may be killed and cannot.

    Raises:
        ConfigurationError: There is no way from here to the root's machine.
    """
    endpoint = root.partition("#")[0]
    if endpoint.startswith("ipc:"):
        return _zmq(topology, None, keys, folder)
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return _zmq(topology, f"tcp://{_own_host(host.strip('[]'), port)}:*", keys)


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


def _zmq(
    topology: Topology, address: str | None, keys: Keys | None, above: Path | None = None
) -> Transport:
    # Imported here: a system of one OS process does without.
    from civitas.transport.zmq import ZmqTransport

    return ZmqTransport(
        address=address,
        keys=keys,
        shared=topology.transport.further.get("keys") is not None,
        node_timeout=topology.runtime.node_timeout,
        folder=above,
    )

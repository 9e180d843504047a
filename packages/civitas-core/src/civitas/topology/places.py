"""Where the processes of a topology meet."""

from __future__ import annotations

from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.topology.model import Topology
from civitas.topology.place import state_folder

__all__ = ["given_address", "is_awaited", "system_folder"]


def is_awaited(topology: Topology) -> bool:
    """Whether the root waits for a process that is started elsewhere."""
    return any(not each.start for each in topology.processes.values())


def given_address(topology: Topology) -> str | None:
    """The address of the root that a topology gives; a relative path is one from its folder."""
    address: str | None = topology.transport.further.get("address")
    folder = topology.source.folder
    if address is None or not address.startswith("ipc://") or folder is None:
        return address
    return f"ipc://{folder / Path(address.removeprefix('ipc://')).expanduser()}"


def system_folder(topology: Topology) -> Path:
    """The state folder, where processes that are started elsewhere on this machine find the root and its token.

    Raises:
        ConfigurationError: The topology is no file, so that there is none.
    """
    file = topology.source.file
    if file is None:
        raise ConfigurationError(
            "a process with 'start: false' needs a place to meet the root and a token, and this topology is no file; "
            "write transport: {type: zmq, address: 'tcp://127.0.0.1:PORT', keys: FILE}, with a file that "
            "`civitas keys new` made"
        )
    return state_folder(topology.name, Path(file))

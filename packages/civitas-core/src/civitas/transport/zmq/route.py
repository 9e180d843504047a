"""Where a process is reached that has to reach the root itself."""

from __future__ import annotations

import socket

from civitas.errors import ConfigurationError

__all__ = ["own_endpoint"]


def own_endpoint(root: str) -> str | None:
    """Where to bind on this machine, so that a node at the address `root` reaches it.

    Returns:
        None for a socket of this user, where the root has one.

    Raises:
        ConfigurationError: There is no way from here to the root's machine.
    """
    endpoint = root.partition("#")[0]
    if endpoint.startswith("ipc:"):
        return None
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return f"tcp://{_own_host(host.strip('[]'), port)}:*"


def _own_host(host: str, port: str) -> str:
    """The address of this machine on the way to `host`."""
    try:
        kind, _, _, _, there = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][:5]
        with socket.socket(kind, socket.SOCK_DGRAM) as way:
            way.connect(there)  # of UDP: nothing is sent, a route is looked up
            own = str(way.getsockname()[0])
    except OSError as error:
        raise ConfigurationError(
            f"there is no route to the root at tcp://{host}:{port}: {error.strerror}"
        ) from error
    return f"[{own}]" if ":" in own else own

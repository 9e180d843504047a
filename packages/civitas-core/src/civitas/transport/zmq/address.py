"""Addresses: where to bind, where others connect, and whether that is safe."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.transport.batches import ANY_RUN, ID_SIZE

__all__ = [
    "NO_ADDRESS",
    "SOCKET",
    "bindable",
    "free_socket",
    "is_address",
    "private_folder",
    "split_run",
    "with_run",
]

_LONGEST_PATH = 103
"""Bytes in the path of a socket, on the stricter of the systems we run on."""

SOCKET = "s"
"""Name of the socket in a private folder."""
_PREFIX = "zmq-"
_A_WHILE = 10.0
"""Seconds."""

_TCP = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.]+\]|[^:/\[\]#]+):(?P<port>\d+|\*)")


NO_ADDRESS = (
    "is not an address; write tcp://HOST:PORT (a port of * is any that is free) or ipc:///PATH, "
    "or leave it out for sockets of this machine"
)
_HIGHEST_PORT = 65535


def is_address(address: str) -> bool:
    """Whether that can be where a root is reached, as far as its text tells."""
    found = _TCP.fullmatch(address)
    if found is not None:
        return found["port"] == "*" or 0 < int(found["port"]) <= _HIGHEST_PORT
    path = address.removeprefix("ipc://")
    return path != address and path.startswith("/") and len(os.fsencode(path)) <= _LONGEST_PATH


def with_run(endpoint: str, run: bytes) -> str:
    """An endpoint of ZMQ and the run of the node behind it, as an address."""
    return f"{endpoint}#{run.hex()}"


def split_run(address: str) -> tuple[str, bytes]:
    """The endpoint and the run of an address; one without a run is for whoever is there.

    Raises:
        ConfigurationError: That is not an address.
    """
    endpoint, _, text = address.partition("#")
    try:
        run = bytes.fromhex(text) if text else ANY_RUN
    except ValueError:
        run = b""
    path = endpoint.removeprefix("ipc://")
    if len(run) != ID_SIZE or not (
        _TCP.fullmatch(endpoint) or (path != endpoint and path.startswith("/"))
    ):
        raise _no_address(address)
    return endpoint, run


def private_folder(above: Path | None) -> Path:
    """Make a folder for a socket that this user alone may enter; below `above` where the path is short enough.

    Raises:
        ConfigurationError: There is no place for it.
    """
    for place in (above, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108  (mkdtemp makes it private)
        # What is added: a name of mkdtemp's, and that of the socket.
        if place is None or len(os.fsencode(place)) + 20 > _LONGEST_PATH:
            continue
        if place != above:
            _clear(place)
        try:
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        except OSError:
            continue
    raise ConfigurationError(
        "there is no folder for a socket; set TMPDIR to one that can be written, with a short path"
    )


def _clear(place: Path) -> None:
    """Remove the folders of nodes that were killed: this user's, where nobody listens any more."""
    for folder in place.glob(f"{_PREFIX}*"):
        socket_there = folder / SOCKET
        with suppress(OSError):  # it is somebody else's, or has just gone
            # A socket that was made in this moment does not listen yet.
            made = socket_there.lstat()
            if made.st_uid != os.getuid() or time.time() - made.st_mtime < _A_WHILE:
                continue
            if not _is_listening(socket_there):
                shutil.rmtree(folder, ignore_errors=True)


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as visitor:
        try:
            visitor.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def free_socket(endpoint: str) -> None:
    """Check that nobody listens at an ``ipc://`` endpoint: ZMQ would take the socket away from whoever does.

    Raises:
        ConfigurationError: Somebody does, or something else stands there.
    """
    path = Path(endpoint.removeprefix("ipc://"))
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigurationError(f"cannot be reached at {endpoint}: {path} is not a socket")
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect(str(path))
    except OSError:
        return  # nothing there, or left behind by one that was killed
    raise ConfigurationError(f"cannot be reached at {endpoint}: another process listens there")


async def bindable(address: str, *, secured: bool) -> tuple[str, str]:
    """What to bind for an address, and the host that others shall connect to.

    Raises:
        ConfigurationError: That is not an address, others could come in without keys, or its host is unknown.
    """
    found = _TCP.fullmatch(address)
    if found is None:
        raise _no_address(address)
    host, port = found["host"], found["port"]
    if host in ("*", "0.0.0.0", "[::]"):  # noqa: S104  (it is refused)
        numeric, loopback = "", False
    else:
        numeric = await _resolve(host.strip("[]"), address)
        loopback = ipaddress.ip_address(numeric).is_loopback
    if not loopback and not secured:
        raise ConfigurationError(
            f"{address} can be reached from other machines, which takes keys: make them with "
            "`civitas keys new` and write `keys: civitas.keys` beside the address"
        )
    if not numeric:
        raise ConfigurationError(
            f"{address} does not say where other machines find this one; give its name or address instead of {host}"
        )
    return f"tcp://{f'[{numeric}]' if ':' in numeric else numeric}:{port}", host


async def _resolve(host: str, address: str) -> str:
    with suppress(ValueError):
        return str(ipaddress.ip_address(host))
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(
            f"the host of {address} is unknown: {error.strerror}; is it spelled correctly?"
        ) from error
    return str(found[0][4][0])


def _no_address(address: str) -> ConfigurationError:
    return ConfigurationError(f"{address!r} {NO_ADDRESS}")

"""How a version of a program takes over from the one that runs on this machine."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from civitas.control.client import ControlClient, NotRunning
from civitas.control.marks import PASS_ON
from civitas.errors import ConfigurationError, NodeDown

__all__ = ["hand_sockets", "take_over"]

_SOCKETS = "takeover.sock"
_LATE = 5.0
_MOST = 16
"""Sockets that are handed over."""


async def take_over(name: str, folder: Path) -> list[socket.socket]:
    """Have the program that runs a system pass it on; returns when this one may start it.

    Args:
        name: Of the system.
        folder: Its state folder.

    Returns:
        The sockets that its edges listen with, in their order; none if it is not running.

    Raises:
        CivitasError: The program does not pass it on.
    """
    place = folder / _SOCKETS
    with suppress(FileNotFoundError):
        place.unlink()
    with socket.socket(socket.AF_UNIX) as receiving:
        receiving.bind(str(place))
        receiving.listen()
        try:
            async with ControlClient(name, folder) as running:
                told = await running.request(PASS_ON, sockets=str(place))
        except NotRunning as error:
            if error.pid is not None:
                raise
            return []
        except NodeDown:
            return []  # it was killed meanwhile; what it had is in the store
        finally:
            place.unlink()
        # They were sent before the answer was.
        return _received(receiving) if told else []


def _received(receiving: socket.socket) -> list[socket.socket]:
    receiving.settimeout(_LATE)
    connection, _ = receiving.accept()
    with connection:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, _MOST)
    return [socket.socket(fileno=each) for each in descriptors]


def hand_sockets(place: Any, sockets: Sequence[socket.socket]) -> bool:
    """Hand sockets to the program that listens at `place`; False if there are none.

    Raises:
        ConfigurationError: It does not listen there.
    """
    if not sockets:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as sending:
            sending.connect(place)
            socket.send_fds(sending, [b"s"], [each.fileno() for each in sockets])
    except (OSError, TypeError) as error:
        raise ConfigurationError(f"the program that takes over is gone: {error}") from error
    return True

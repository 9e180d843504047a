"""`Ahead`: finds the HTTP edge of the program that leads, for one that does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

from civitas.edge import FindEdge
from civitas.edge.http.failures import BadRequest
from civitas.edge.http.options import is_loopback
from civitas.launch import pid_space

__all__ = ["Ahead", "is_of_here", "reached_at"]

_LOOK = 2.0
"""Seconds for the program that leads to say where it is, or to accept a connection."""
_SIGNS_OF_LIFE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
"""How a machine that is lost is noticed in eleven seconds."""
_ELSEWHERE = (socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")
"""Addresses of nobody, which are for documentation: nothing is sent there."""
_OF_ALL = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  (what an edge may listen at)


class Ahead:
    """Where the program that leads lets callers in.

    Args:
        find: Asks it.
    """

    def __init__(self, find: FindEdge) -> None:
        self._find = find
        self._told: Mapping[str, Any] = {}
        self._known: tuple[str, int] | None = None

    def is_here(self, host: str, port: int) -> None:
        """It is this program from now on."""
        self._known = ("127.0.0.1" if host in _OF_ALL else host, port)
        self._find = _nowhere

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to it; None if that cannot be done at this moment.

        Raises:
            BadRequest: It can never be done from this machine.
        """
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_LOOK):
                if self._known is None:
                    self._told = {}
                    self._told = await self._find()
                    self._known = _address(self._told)
                if self._known is not None:
                    reader, writer = await asyncio.open_connection(*self._known)
                    _notice_loss(writer.get_extra_info("socket"))
                    return reader, writer
        if self._find is not _nowhere:
            self._known = None  # another one may lead by now
        return None

    async def missing(self) -> str:
        """Why callers who come here are not answered, although the program that leads answers others; or nothing."""
        try:
            found = await self.connect()
        except BadRequest as error:
            return str(error)
        if found is not None:
            found[1].close()
            return ""
        if self._told.get("open") is False:
            return ""  # it starts, and nobody else answers them either
        host, port = (self._told.get(key) for key in ("host", "port"))
        where = (
            f"the edge of the root that leads, at {host}:{port}," if host else "the root that leads"
        )
        return f"it stands by, and {where} does not answer"


def reached_at(host: str, port: int, *, is_open: bool = True) -> dict[str, Any]:
    """What others need to reach an edge of this program; its port is 0 if it has none yet."""
    own = _own_address() if host in _OF_ALL else host
    return {"host": own, "port": port, "on": pid_space(), "open": is_open}


def is_of_here(where: Mapping[str, Any]) -> bool:
    """Whether an edge is on this machine, as far as that is known."""
    return where.get("on") == pid_space() != ""


def _address(where: Mapping[str, Any]) -> tuple[str, int] | None:
    host, port = where.get("host"), where.get("port")
    if not isinstance(host, str) or type(port) is not int or not port:
        return None
    if is_loopback(host) and not is_of_here(where):
        text = (
            f"the root that leads is on another machine, and its edge listens at {host}, which only that machine "
            "reaches. Give the edge a token and a host that others reach: edge: {http: {host: 0.0.0.0, token: ...}}"
        )
        raise BadRequest(text, status=503, code="stands_by")
    return host, port


def _own_address() -> str:
    """The address from which this machine reaches others."""
    for family, address in _ELSEWHERE:
        with suppress(OSError), closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    return "127.0.0.1"


def _notice_loss(connection: socket.socket) -> None:
    """Let the system look whether the other machine is there: one that is lost says nothing, as one that works."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _SIGNS_OF_LIFE.items():
        if hasattr(socket, option):  # not every system lets one choose
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def _nowhere() -> Mapping[str, Any]:
    return {}

"""How the outside reaches the agents of a system by protocols that are not Civitas's own."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

from civitas.process import Messenger

__all__ = ["Edge", "FindEdge", "PassesOn", "StandsBy"]

FindEdge: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
"""Finds out where the program that leads lets callers in: what its edge is `reached_at`, or nothing at this moment."""


class Edge(Protocol):
    """A way for the outside to reach agents, open while the system takes work."""

    async def open(self, agents: Messenger) -> None:
        """Let the outside in.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        ...

    async def close_door(self) -> None:
        """Take nothing more; what was taken goes on."""
        ...

    async def close(self) -> None:
        """End it, and whatever still goes on. May be called twice, and without `open`."""
        ...


@runtime_checkable
class PassesOn(Protocol):
    """What an edge may offer that listens with a socket, which the next version of the program goes on with."""

    listener: socket.socket | None
    """It; one that is here before the edge opens is taken instead of a new one."""

    @property
    def url(self) -> str:
        """Where it can be reached, from the moment it is open."""
        ...

    def let_go(self) -> None:
        """Accept nobody any more; what was taken is answered. Others wait until somebody accepts with the socket.

        What comes from now on by connections that were kept open is handed on to whoever that is.
        """
        ...

    def free_address(self) -> None:
        """Listen no more, so that another program may listen there; what was taken is answered."""
        ...

    async def handed_on(self) -> None:
        """Wait until all have their answers whose requests were handed on."""
        ...

    def leave(self) -> None:
        """Wait for these no longer, and hand nothing on any more."""
        ...


@runtime_checkable
class StandsBy(Protocol):
    """What an edge may offer where the programs of a system agree on who leads: it has that one answer its callers."""

    @property
    def reached_at(self) -> Mapping[str, Any]:
        """What the edges of other programs need to reach it."""
        ...

    async def stand_by(self, find: FindEdge) -> str:
        """Let callers in before this program leads, which is `open`: whoever leads answers them.

        Returns:
            Where it can be reached; empty if it cannot listen yet.
        """
        ...

    def wait_for_address(self) -> None:
        """Let `open` wait until another program of this machine has freed the address, instead of an error."""
        ...

    def follow(self, find: FindEdge) -> None:
        """Another program is about to lead: it answers whoever comes from now on."""
        ...

    async def handed_on(self) -> None:
        """Wait until all have their answers whose requests were handed on."""
        ...

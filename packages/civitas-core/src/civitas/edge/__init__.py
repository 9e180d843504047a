"""How the outside reaches the agents of a system by protocols that are not Civitas's own."""

from __future__ import annotations

import socket
from typing import Protocol, runtime_checkable

from civitas.process import Messenger

__all__ = ["Edge", "PassesOn"]


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

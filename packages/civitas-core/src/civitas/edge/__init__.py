"""How the outside reaches the agents of a system by protocols that are not Civitas's own."""

from __future__ import annotations

from typing import Protocol

from civitas.process import Messenger

__all__ = ["Edge"]


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

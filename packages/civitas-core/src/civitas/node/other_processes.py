"""`OtherProcesses`: the other OS processes of a system, for its root."""

from __future__ import annotations

from typing import Protocol

__all__ = ["OtherProcesses"]


class OtherProcesses(Protocol):
    """The other OS processes of a system, when another version of the program takes over."""

    async def prepare(self) -> None:
        """In that version: start them as far as they need no root."""

    async def rest(self) -> bool:
        """Bring their agents to rest; returns whether one was at work meanwhile."""
        ...

    async def interrupt(self) -> None:
        """End at once whatever their agents are handling."""

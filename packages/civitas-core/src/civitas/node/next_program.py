"""`NextProgram`: another program that leads the same system, or waits to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from civitas.message import Message

__all__ = ["Alone", "Forward", "NextProgram"]

Forward = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any] | Message]]
"""Lets it do what somebody asks for here, and returns its answer, or that of an agent; raises a `DeliveryError`."""


class NextProgram(Protocol):
    """The program that leads after this one, or before it, where the programs of a system agree on who leads."""

    forward: Forward | None
    """Set once this program passes on what it does."""

    @property
    def is_awaited(self) -> bool:
        """Whether another program waits to lead."""
        ...

    @property
    def is_there(self) -> bool:
        """Whether this program may end, as whoever comes finds the other one."""
        ...

    def take_over(self) -> None:
        """Ask the one that leads to pass on what it does, while this one waits."""

    def show_edge(self, where: Mapping[str, Any]) -> None:
        """Tell other programs where this one lets callers in, as it leads."""

    def has_started(self) -> None:
        """Tell other programs that this one takes work, as it leads."""

    async def find_edge(self) -> Mapping[str, Any]:
        """Where the one that leads lets callers in, as it told; empty if that is not known at this moment."""
        ...

    def yields_to(self, asked: Callable[[], None]) -> None:
        """Call `asked` when another one asks this one to pass on what it does."""

    async def linger(self) -> None:
        """Give those who wait here for an answer that of the one that leads now."""

    async def rested(self) -> None:
        """Wait until nothing is left of what was asked there and is over."""

    async def found(self) -> None:
        """Wait until the one that leads takes work."""

    async def leave_alone(self) -> None:
        """Ask it for nothing more."""


class Alone:
    """There is no other program."""

    forward: Forward | None = None
    is_awaited = False
    is_there = True

    def take_over(self) -> None:
        """See `NextProgram.take_over`."""

    def show_edge(self, where: Mapping[str, Any]) -> None:
        """See `NextProgram.show_edge`."""

    def has_started(self) -> None:
        """See `NextProgram.has_started`."""

    async def find_edge(self) -> Mapping[str, Any]:
        """See `NextProgram.find_edge`."""
        return {}

    def yields_to(self, asked: Callable[[], None]) -> None:
        """See `NextProgram.yields_to`."""

    async def linger(self) -> None:
        """See `NextProgram.linger`."""

    async def rested(self) -> None:
        """See `NextProgram.rested`."""

    async def found(self) -> None:
        """See `NextProgram.found`."""

    async def leave_alone(self) -> None:
        """See `NextProgram.leave_alone`."""

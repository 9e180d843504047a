"""What a carrier may show of a node to whoever looks at its broker with the broker's own tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from civitas.process.account import Account
from civitas.transport.contract import Transport

__all__ = ["KnowsAbsence", "Presence", "Presenting", "is_absent", "show"]


class Presence(Protocol):
    """A node, as it is shown."""

    name: str

    def accounts(self) -> Iterable[Account]:
        """What its agents have done so far."""
        ...


@runtime_checkable
class Presenting(Protocol):
    """What a transport may offer whose broker has a way to show who is there."""

    def present(self, node: Presence) -> None:
        """Show a node from `open` on."""
        ...


def show(node: Presence, transport: Transport) -> None:
    """Show a node with what its broker has for that, if there is anything."""
    if isinstance(transport, Presenting):
        transport.present(node)


@runtime_checkable
class KnowsAbsence(Protocol):
    """What an open transport may offer whose broker knows at once that nobody is there."""

    async def is_absent(self, address: str) -> bool:
        """Whether surely no node is at an address."""
        ...


async def is_absent(transport: Transport, address: str) -> bool:
    """Whether surely no node is at an address; False where that cannot be known at once."""
    return isinstance(transport, KnowsAbsence) and await transport.is_absent(address)

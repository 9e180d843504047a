"""What a carrier may show of a node to whoever looks at its broker with the broker's own tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from civitas.process.account import Account
from civitas.transport.contract import Transport

__all__ = ["Presence", "Presenting", "show"]


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

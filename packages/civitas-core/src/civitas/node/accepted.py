"""`Accepted`: which messages from outside were accepted; seen from any thread, also while the loop is blocked."""

from __future__ import annotations

from collections import OrderedDict

from civitas.node.registry import Registry
from civitas.process import Cell

__all__ = ["ASKED_AS", "Accepted"]

ASKED_AS = "civitas-request"
"""The header of a message that somebody outside sent: what they call their request."""
_MOST = 1000
"""So many requests are remembered; whoever looks does so within seconds."""


class Accepted:
    """Remembers the requests whose message was accepted.

    A handler of this process may block the event loop before the answer to the request has left it.

    Args:
        registry: The agents.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._requests: OrderedDict[str, None] = OrderedDict()

    def add(self, request: str) -> None:
        """The message of a request was accepted."""
        self._requests[request] = None
        if len(self._requests) > _MOST:
            self._requests.popitem(last=False)

    def has(self, request: str, name: str) -> bool:
        """Whether the message of a request was accepted, or the agent `name` of this process has it already."""
        if request in self._requests:
            return True
        cell = self._registry.get(name)
        if not isinstance(cell, Cell):
            return False
        incarnation = cell.incarnation
        in_hand = incarnation.now.current if incarnation is not None else None
        messages = [*cell.mailbox, *([in_hand] if in_hand is not None else ())]
        return any((each.headers or {}).get(ASKED_AS) == request for each in messages)

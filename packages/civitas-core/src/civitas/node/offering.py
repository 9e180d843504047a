"""The tools of those who come and go while the system runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from civitas.telemetry.tracing import Tracing
from civitas.tools import ToolProvider, ToolRegistry

__all__ = ["Offering"]


class _Equipped(Protocol):
    tools: ToolRegistry | None
    tracing: Tracing


class Offering:
    """Lets every agent of a node have them.

    Args:
        node: Whose agents.
    """

    def __init__(self, node: _Equipped) -> None:
        self._node = node
        self.changed: Callable[[], None] = _nobody
        """Tells the other OS processes of the system."""

    def offer(self, owner: str, tools: Iterable[ToolProvider]) -> None:
        """Take the tools of `owner`, in place of those that it had.

        Raises:
            ConfigurationError: Another tool has the name of one of them.
        """
        if self._node.tools is None:
            self._node.tools = ToolRegistry((), self._node.tracing)
        self._node.tools._offer(owner, tools)
        self.changed()


def _nobody() -> None:
    """There is no other process."""

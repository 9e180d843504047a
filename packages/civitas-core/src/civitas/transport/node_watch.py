"""`NodeWatch`: what a carrier hands to whoever watches a node."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["NodeWatch"]


class NodeWatch:
    """A `Watch` over a node.

    Args:
        back: Called when it can be reached again.
        lost: Called once, when it is lost.
        closed: Called with this watch when it is closed.
    """

    def __init__(
        self,
        back: Callable[[], None],
        lost: Callable[[], None],
        closed: Callable[[NodeWatch], None],
    ) -> None:
        self._back = back
        self._lost = lost
        self._closed = closed
        self._over = False

    def tell_back(self) -> None:
        """It can be reached again."""
        if not self._over:
            self._back()

    def tell_lost(self) -> None:
        """It is lost."""
        if not self._over:
            self._over = True
            self._lost()

    def close(self) -> None:
        """Stop watching."""
        self._over = True
        self._closed(self)

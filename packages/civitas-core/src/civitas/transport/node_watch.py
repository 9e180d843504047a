"""What a carrier hands to whoever watches a node, and those that watch one."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["NodeWatch", "NodeWatches"]


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


class NodeWatches:
    """Those over one node.

    Args:
        closed: Called each time that one of them was closed.
    """

    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._watches: list[NodeWatch] = []

    def __bool__(self) -> bool:
        return bool(self._watches)

    def add(self, back: Callable[[], None], lost: Callable[[], None]) -> NodeWatch:
        """Begin one; see `NodeWatch`."""
        watch = NodeWatch(back, lost, self._remove)
        self._watches.append(watch)
        return watch

    def tell_back(self) -> None:
        """The node can be reached again."""
        for watch in list(self._watches):
            watch.tell_back()

    def end(self) -> list[NodeWatch]:
        """Take them all out."""
        watches, self._watches = self._watches, []
        return watches

    def _remove(self, watch: NodeWatch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
        self._closed()

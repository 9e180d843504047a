"""Monitors that agents of a member hold at the root, so that the next root can go on with them."""

from __future__ import annotations

from civitas.message import new_id

__all__ = ["MonitorsAtRoot"]


class MonitorsAtRoot:
    """What the agents of one process watch elsewhere."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, str]] = {}

    def begin(self, watcher: str, target: str) -> str:
        """The root is about to be asked to tell `watcher` when `target` exits; returns the reference of that."""
        ref = new_id()
        self._held[ref] = watcher, target
        return ref

    def over(self, ref: str) -> None:
        """The root has told, or need not any more."""
        self._held.pop(ref, None)

    def exited(self, watcher: str) -> None:
        """An incarnation of an agent has exited, and its monitors end with it."""
        for ref in [ref for ref, (name, _) in self._held.items() if name == watcher]:
            del self._held[ref]

    def listed(self) -> list[list[str]]:
        """Each as its reference, who watches, and whom."""
        return [[ref, *names] for ref, names in self._held.items()]

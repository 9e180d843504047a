"""Who wants to know when an agent exits."""

from __future__ import annotations

from dataclasses import dataclass

from civitas.message import new_id

__all__ = ["Monitor", "Monitors"]


@dataclass(frozen=True, slots=True)
class Monitor:
    """`watcher` is told when this incarnation of `target` exits."""

    ref: str
    watcher: str
    target: str


class Monitors:
    """The monitors of a node; each tells once, and ends with its watcher."""

    def __init__(self) -> None:
        self._by_ref: dict[str, Monitor] = {}

    def add(self, watcher: str, target: str) -> Monitor:
        """Begin to watch."""
        monitor = Monitor(new_id(), watcher, target)
        self._by_ref[monitor.ref] = monitor
        return monitor

    def remove(self, ref: str) -> bool:
        """Watch no more.

        Returns:
            Whether it did; False where it has told, or was never begun here.
        """
        return self._by_ref.pop(ref, None) is not None

    def targets(self) -> set[str]:
        """Who is watched."""
        return {monitor.target for monitor in self._by_ref.values()}

    def exited(self, name: str) -> list[Monitor]:
        """Take out the monitors on `name`, which must be told now, and drop those it held itself."""
        if not self._by_ref:
            return []
        due = [monitor for monitor in self._by_ref.values() if monitor.target == name]
        for monitor in list(self._by_ref.values()):
            if name in (monitor.target, monitor.watcher):
                del self._by_ref[monitor.ref]
        return due

"""Who wants to know when an agent exits."""

from __future__ import annotations

from collections.abc import Callable
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
        self.of: dict[str, dict[str, Monitor]] = {}
        """Those that an agent watches or is watched by, by their ref: of thousands, an exit concerns a few."""
        self.over: Callable[[Monitor], object] = _nothing
        """Called with each that is over."""

    def add(self, watcher: str, target: str, ref: str = "") -> Monitor:
        """Begin to watch, under a reference that somebody has given where there is one."""
        monitor = Monitor(ref or new_id(), watcher, target)
        self._by_ref[monitor.ref] = monitor
        for name in (monitor.watcher, monitor.target):
            self.of.setdefault(name, {})[monitor.ref] = monitor
        return monitor

    def remove(self, ref: str) -> bool:
        """Stop watching.

        Returns:
            Whether it did; False if it has told, or was never begun here.
        """
        monitor = self._by_ref.pop(ref, None)
        if monitor is None:
            return False
        for name in {monitor.watcher, monitor.target}:
            there = self.of[name]
            del there[ref]
            if not there:
                del self.of[name]
        self.over(monitor)
        return True

    def targets(self) -> set[str]:
        """Who is watched."""
        return {monitor.target for monitor in self._by_ref.values()}

    def exited(self, name: str) -> list[Monitor]:
        """Take out the monitors on `name`, which must be told now, and drop those it held itself."""
        concerned = list(self.of.get(name, {}).values())
        for monitor in concerned:
            self.remove(monitor.ref)
        return [monitor for monitor in concerned if monitor.target == name]


def _nothing(monitor: Monitor) -> None: ...

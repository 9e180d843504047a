"""Figures of an OS process on their way to the root, which has a meter provider or is scraped."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from civitas.telemetry.instruments import INSTRUMENTS, Gauges

__all__ = ["FigureBuffer", "Figures"]

Figures = list[list[Any]]
"""For each instrument and set of attributes: its name, the attributes, what was measured or the one sum."""

_MOST = 100_000
"""What is held back for the root at most, should it take nothing."""


class FigureBuffer:
    """Takes what is counted and measured here, until the root is told.

    Args:
        tell: Hands figures over to the root.
    """

    def __init__(self, tell: Callable[[Figures], None]) -> None:
        self._tell = tell
        self._waiting: deque[tuple[str, float, Mapping[str, Any]]] = deque(maxlen=_MOST)

    def take(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Count or measure; from any thread."""
        self._waiting.append((name, amount, attributes))

    def hand_over(self, gauges: Gauges) -> None:
        """Tell the root what has been taken since the last time, and what some gauges say now."""
        figures: Figures = [
            [name, dict(attributes), [value]]
            for name, look in gauges.items()
            for value, attributes in look()
        ]
        found: dict[tuple[Any, ...], list[float]] = {}
        for _ in range(len(self._waiting)):
            name, amount, attributes = self._waiting.popleft()
            found.setdefault((name, *attributes.items()), []).append(amount)
        figures += [
            [name, dict(attributes), amounts if _measures(name) else [sum(amounts)]]
            for (name, *attributes), amounts in found.items()
        ]
        if figures:
            self._tell(figures)


def _measures(name: str) -> bool:
    return INSTRUMENTS[name].kind == "histogram"

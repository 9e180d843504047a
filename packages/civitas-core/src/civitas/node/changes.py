"""`Changes`: facts by name, each with the version in which it changed last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

__all__ = ["Changes"]

_GONE = 10_000
"""So many names that are gone are remembered; whoever looked before the oldest of them is told everything again."""


class Changes:
    """Facts by name, for whoever wants to know what has changed since they looked.

    The versions of one that is made later are higher, also in another process: so one that nobody gave is found out.
    """

    def __init__(self) -> None:
        self.version = self._first = time.time_ns() // 1_000_000
        self.facts: dict[str, Any] = {}
        self._at: dict[str, int] = {}
        self._gone: dict[str, int] = {}

    def begin(self) -> None:
        """What is put and dropped from now on is of another version."""
        self.version += 1

    def put(self, name: str, facts: Any) -> None:
        """Note the facts of a name, which have changed."""
        self.facts[name] = facts
        self._at[name] = self.version
        self._gone.pop(name, None)

    def drop(self, name: str) -> None:
        """Forget a name."""
        if self.facts.pop(name, None) is None:
            return
        del self._at[name]
        self._gone[name] = self.version
        if len(self._gone) > _GONE:
            oldest = next(iter(self._gone))
            self._first = self._gone.pop(oldest)

    def keep(self, names: Mapping[str, object] | set[str]) -> None:
        """Forget every other name."""
        if len(names) != len(self.facts):
            for name in [each for each in self.facts if each not in names]:
                self.drop(name)

    def since(self, version: int | None) -> tuple[bool, list[Any], list[str]]:
        """What has changed.

        Args:
            version: That of the last look; None for the first.

        Returns:
            Whether this is everything there is; the facts that changed; the names that are gone.
        """
        if version is None or not self._first <= version <= self.version:
            return True, list(self.facts.values()), []
        at = self._at
        changed = [facts for name, facts in self.facts.items() if at[name] > version]
        return False, changed, [name for name, when in self._gone.items() if when > version]

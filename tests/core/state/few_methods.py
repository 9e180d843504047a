"""A store with three methods, which can be killed between any two writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.state import InMemoryStateStore


class Killed(Exception):
    """The process of the store is gone."""


class FewMethods:
    """Three methods over what outlives it.

    Attributes:
        kept: What outlives it.
        writes_left: After so many writes it is killed; None for never.
        bytes: How much was written, beside the messages and answers of runs.
        reads: How often it was read, beside these.
    """

    def __init__(self, kept: InMemoryStateStore) -> None:
        self.kept = kept
        self.writes_left: int | None = None
        self.bytes = 0
        self.reads = 0

    @property
    def size(self) -> int:
        """Bytes of all that is kept, beside the messages and answers of runs."""
        values = self.kept._values
        return sum(len(value) for key, (value, _) in values.items() if not _is_of_runs(key))

    async def get(self, key: str) -> dict[str, Any] | None:
        self.reads += not _is_of_runs(key)
        return await self.kept.get(key)

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        self._write()
        await self.kept.set(key, value)
        self._count(key)

    async def delete(self, key: str) -> None:
        self._write()
        await self.kept.delete(key)

    def _count(self, key: str) -> None:
        if not _is_of_runs(key):
            self.bytes += len(self.kept._values[key][0])

    def _write(self) -> None:
        if self.writes_left == 0:
            raise Killed
        if self.writes_left is not None:
            self.writes_left -= 1


def _is_of_runs(key: str) -> bool:
    return key.startswith("civitas:runs")


class WithRevisions(FewMethods):
    """One that also compares and sets, and lists its keys."""

    async def keys(self, prefix: str = "") -> list[str]:
        return await self.kept.keys(prefix)

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        self.reads += 1
        return await self.kept.get_with_revision(key)

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        self._write()
        revision = await self.kept.compare_and_set(key, value, revision)
        self._count(key)
        return revision


class WithBatches(WithRevisions):
    """One that also takes batches."""

    async def get_many(self, keys: Any) -> dict[str, dict[str, Any]]:
        keys = list(keys)
        self.reads += not all(map(_is_of_runs, keys))
        return await self.kept.get_many(keys)

    async def write(self, changes: Any, *, expect: Any = {}) -> dict[str, int]:  # noqa: B006
        self._write()
        written = await self.kept.write(changes, expect=expect)
        for key in written:
            self._count(key)
        return written

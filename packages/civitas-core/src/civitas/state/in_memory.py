"""A state store that lives as long as its process."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from civitas.errors import StateConflict
from civitas.state.store import StateStore, check_key
from civitas.state.values import decode_value, encode_changes

__all__ = ["InMemoryStateStore", "is_new"]


class InMemoryStateStore:
    """Keeps state in memory: it outlives a crash of an agent, not one of the OS process.

    What a runtime without a configured store uses. It holds values encoded, by the same rules as every other store,
    so that moving to a durable one brings no surprise.
    """

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int]] = {}
        self._revisions = itertools.count(1)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None if there is none."""
        return (await self.get_with_revision(key))[0]

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision for `compare_and_set`; None and 0 if there is none."""
        raw, revision = self._values.get(key, (None, 0))
        return None if raw is None else decode_value(raw, key), revision

    async def get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The values under `keys`, copies; a key under which nothing is, is left out."""
        return {key: decode_value(self._values[key][0], key) for key in keys if key in self._values}

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a copy of `value` under `key`.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it.
        """
        await self.write({key: value})

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store a copy of `value` if what is there has this revision, 0 for nothing; return the new one.

        Raises:
            StateConflict: Somebody else has written meanwhile; what they wrote stays.
            PayloadError: As for `set`.
        """
        return (await self.write({key: value}, expect={key: revision}))[key]

    async def write(
        self, changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        """Make all of `changes`, or none; see `BatchStore`.

        Raises:
            StateConflict: Something else is there than was expected.
            PayloadError: As for `set`.
        """
        encoded = encode_changes(changes)
        for key, revision in expect.items():
            _, found = self._values.get(check_key(key), (None, 0))
            if found != revision:
                raise StateConflict(key, revision, found)
        written: dict[str, int] = {}
        for key, raw in encoded.items():
            if raw is None:
                self._values.pop(key, None)
            else:
                written[key] = next(self._revisions)
                self._values[key] = raw, written[key]
        return written

    async def delete(self, key: str) -> None:
        """Forget what is under `key`."""
        self._values.pop(key, None)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        return sorted(key for key in self._values if key.startswith(prefix))

    async def close(self) -> None:
        """Nothing to close; what is stored stays for anybody who still has the store."""

    def __repr__(self) -> str:
        return f"<InMemoryStateStore {len(self._values)} keys>"


def is_new(store: StateStore, key: str) -> bool:
    """Whether `store` says at once that there is nothing under `key`; only the one in memory can."""
    return type(store) is InMemoryStateStore and key not in store._values

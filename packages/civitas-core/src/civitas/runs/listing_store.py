"""`ListingStore`: a state store that cannot list its keys, with a list of those of runs."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Mapping
from typing import Any

from civitas.state import StateStore

__all__ = ["ListingStore", "with_listing"]

_LIST = "civitas:runs"
"""Key of the list."""


class ListingStore:
    """A store with three methods, which also lists the keys of runs: it keeps a list of them under a key of its own.

    The list is written behind what it names, and once for all who wait for that; what goes is taken out of it before.
    So a key that is not in it was never acknowledged, and one that is may have nothing under it.

    Args:
        store: The store.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._keys: builtins.set[str] | None = None
        self._lock = asyncio.Lock()
        self._changes = 0
        self._written = 0

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`; see `StateStore`."""
        return await self._store.get(key)

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`; see `StateStore`."""
        await self._store.set(key, value)
        known = await self._known()
        if key not in known:
            known.add(key)
            await self._write()

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; see `StateStore`."""
        known = await self._known()
        if key in known:
            known.discard(key)
            await self._write()
        await self._store.delete(key)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys of runs that begin with `prefix`, sorted."""
        return sorted(key for key in await self._known() if key.startswith(prefix))

    async def _known(self) -> builtins.set[str]:
        async with self._lock:
            if self._keys is None:
                self._keys = set((await self._store.get(_LIST) or {}).get("keys", ()))
            return self._keys

    async def _write(self) -> None:
        self._changes += 1
        mine = self._changes
        async with self._lock:
            if self._written < mine:
                written = self._changes
                await self._store.set(_LIST, {"keys": sorted(self._keys or ())})
                self._written = written


def with_listing(store: StateStore) -> Any:
    """`store`, if it lists its keys; otherwise with a list of those of runs."""
    return store if callable(getattr(store, "keys", None)) else ListingStore(store)

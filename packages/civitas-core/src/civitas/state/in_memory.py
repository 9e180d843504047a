"""A state store that lives as long as its process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.state.store import check_key
from civitas.state.values import decode_value, encode_value

__all__ = ["InMemoryStateStore"]


class InMemoryStateStore:
    """Keeps state in memory: it outlives a crash of an agent, not one of the OS process.

    What a runtime without a configured store uses. It holds values encoded, by the same rules as every other store,
    so that moving to a durable one brings no surprise.
    """

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None if there is none."""
        raw = self._values.get(key)
        return None if raw is None else decode_value(raw, key)

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a copy of `value` under `key`.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it.
        """
        self._values[check_key(key)] = encode_value(value)

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

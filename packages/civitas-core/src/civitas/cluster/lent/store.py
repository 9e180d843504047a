"""The state store of the root, for a member."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from civitas.errors import ConfigurationError
from civitas.message import decode, encode
from civitas.process.steps import STEPS

__all__ = ["RemoteStore"]


class RemoteStore:
    """Keeps state where the root keeps it: for a store that cannot be opened twice, such as the one in memory.

    So it also outlives the member.
    """

    def __init__(self) -> None:
        self._call_root: Callable[..., Awaitable[Any]] | None = None
        self._outlives = False
        self._empty: set[str] = set()
        """Keys under which nothing is kept, as the root has just said."""

    def lend(self, call_root: Callable[..., Awaitable[Any]], *, outlives: bool) -> None:
        """The root is known.

        Args:
            call_root: Lets it do something.
            outlives: Whether its store outlives the processes.
        """
        self._call_root = call_root
        self._outlives = outlives

    def expect(self, key: str, *, nothing: bool) -> None:
        """Whether nothing is kept under a key that is about to be read: then that need not be asked once more."""
        if nothing:
            self._empty.add(key)
        else:
            self._empty.discard(key)

    async def get(self, key: str) -> dict[str, Any] | None:
        """Read."""
        if key in self._empty:
            self._empty.discard(key)
            return None
        found: dict[str, Any] | None = await self._call("get", key)
        return found

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Write; it is as durable on return as the root's store makes it."""
        self._empty.discard(key)
        await self._call("set", key, value)

    async def delete(self, key: str) -> None:
        """Remove; does nothing if there is nothing."""
        await self._call("delete", key)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`."""
        found: list[str] = await self._call("keys", prefix)
        return found

    async def _call(self, what: str, *arguments: Any) -> Any:
        assert self._call_root is not None  # lent before any agent is made
        if arguments[0].startswith(STEPS) and not self._outlives:
            raise ConfigurationError(
                "step() in an agent with a process of its own needs a state store that outlives the processes, and the "
                "one in memory does not; write state: {type: sqlite, path: civitas.db} in the topology"
            )
        return decode(await self._call_root("store", what, encode(list(arguments))))

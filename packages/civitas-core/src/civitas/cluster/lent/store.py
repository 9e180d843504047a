"""The state store of the root, for a member."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from civitas.errors import ConfigurationError
from civitas.message import decode, encode
from civitas.process.steps import STEPS
from civitas.state import StateStore

__all__ = ["OPTIONAL", "RemoteStore", "offered"]

OPTIONAL = ("keys", "get_many", "get_with_revision", "compare_and_set", "write")
"""The methods of a state store that it need not have."""


class RemoteStore:
    """Keeps state where the root keeps it: for a store that cannot be opened twice, such as the one in memory.

    So it also outlives the member.
    """

    def __init__(self) -> None:
        self._call_root: Callable[..., Awaitable[Any]] | None = None
        self._outlives = False
        self._offers: frozenset[str] = frozenset()
        self._empty: set[str] = set()
        """Keys under which nothing is kept, as the root has just said."""

    def lend(
        self,
        call_root: Callable[..., Awaitable[Any]],
        *,
        outlives: bool,
        offers: Iterable[str] = (),
    ) -> None:
        """Use the store of the root, which is known now.

        Args:
            call_root: Lets it do something.
            outlives: Whether its store outlives the processes.
            offers: The optional methods that its store has.
        """
        self._call_root = call_root
        self._outlives = outlives
        self._offers = frozenset(offers)

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

    def __getattr__(self, name: str) -> Any:
        if name not in OPTIONAL or name not in self._offers:
            raise AttributeError(f"the state store of the root has no {name!r}")
        return getattr(self, f"_{name}")

    async def _keys(self, prefix: str = "") -> Any:
        return await self._call("keys", prefix)

    async def _get_many(self, keys: Iterable[str]) -> Any:
        return await self._call("get_many", list(keys))

    async def _get_with_revision(self, key: str) -> Any:
        return tuple(await self._call("get_with_revision", key))

    async def _compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> Any:
        self._empty.discard(key)
        return await self._call("compare_and_set", key, value, revision)

    async def _write(
        self, changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
    ) -> Any:
        self._empty.difference_update(changes)
        return await self._call("write", changes, expect)

    async def _call(self, what: str, *arguments: Any) -> Any:
        assert self._call_root is not None  # lent before any agent is made
        if not self._outlives and _is_step(arguments[0]):
            raise ConfigurationError(
                "step() in an agent with a process of its own needs a state store that outlives the processes, and the "
                "one in memory does not; write state: {type: sqlite, path: civitas.db} in the topology"
            )
        return decode(await self._call_root("store", what, encode(list(arguments))))


def offered(store: StateStore) -> list[str]:
    """The optional methods that a store has."""
    return [name for name in OPTIONAL if callable(getattr(store, name, None))]


def _is_step(about: Any) -> bool:
    """Whether a call is about what a step records: its first argument is a key, or several."""
    keys = [about] if isinstance(about, str) else about
    return any(key.startswith(STEPS) for key in keys)

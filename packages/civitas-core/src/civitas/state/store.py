"""What a state store can do, and what every one of them must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

__all__ = ["BatchStore", "RevisionedStore", "StateStore", "check_key", "offers"]

from civitas.errors import StateStoreError


@runtime_checkable
class StateStore(Protocol):
    """Dicts of plain data by key. Three methods are enough; `civitas.testing.StateStoreSuite` proves a store.

    Whoever implements one promises:

    - What `set` was given is there when `set` has returned: as durable as the store can be.
    - A value goes in and comes out as a copy: nobody can change what is stored by changing a dict.
    - Calls may overlap, also on one key; the last `set` to begin is the one that stays.
    - What cannot be done is a `StateStoreError` that says what to do, and what was acknowledged before is still there.

    Three methods are optional, and used if they exist: ``async open()``, with which a runtime begins, so that a
    store that cannot be used says so at its start; ``async close()``, which may be called twice; and
    ``async keys(prefix) -> list[str]``, sorted, which ``civitas state`` needs.

    A store may also offer what `RevisionedStore` says, so that an owner that was replaced does not overwrite what its
    successor wrote, and what `BatchStore` says, so that a long conversation is read and written in one go. If
    it is one that several machines write, it says so with an attribute ``spans_machines = True``:
    what is an agent's own (its checkpoint, its conversations) is then written by `compare_and_set`.
    """

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, the caller's own copy; None if there is none."""

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`, in the place of what was there."""

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; nothing happens if there is nothing."""


@runtime_checkable
class RevisionedStore(StateStore, Protocol):
    """A state store that also compares and sets. A revision is a number that no other write of the key ever had."""

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision; None and 0 if there is none."""

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store `value` under `key` if what is there has this revision, 0 for nothing.

        Returns:
            The new revision.

        Raises:
            StateConflict: Something else is there; it stays.
        """


@runtime_checkable
class BatchStore(RevisionedStore, Protocol):
    """A state store that also reads many keys at once, and changes many at once or none."""

    async def get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The values under `keys`, the caller's own copies; a key under which nothing is, is left out."""

    async def write(
        self, changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        """Make all of `changes`, or none: whoever reads sees what was before or what is after.

        Args:
            changes: The new value for each key; None forgets it. Up to 4,096 of them.
            expect: Revisions that must be there, 0 for nothing; also of keys that are not changed.

        Returns:
            The new revision of each key that has a value now.

        Raises:
            StateConflict: Something else is there than was expected; nothing was changed.
        """


def offers(store: object, protocol: type) -> bool:
    """Whether `store` offers what `protocol` says; also one that only stands for another, and passes calls on."""
    return all(callable(getattr(store, name, None)) for name in _methods(protocol))


@lru_cache
def _methods(protocol: type) -> frozenset[str]:
    names = (name for each in protocol.__mro__ for name in vars(each))
    return frozenset(name for name in names if not name.startswith("_"))


def check_key(key: object) -> str:
    """Check a key.

    Raises:
        StateStoreError: It is not text, or empty, or cannot be written as UTF-8.
    """
    if not isinstance(key, str) or not key:
        raise StateStoreError(f"a key must be non-empty text; got {key!r}")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise StateStoreError(
            f"the key {key!r} has a lone surrogate and cannot be written", key=key
        ) from None
    return key

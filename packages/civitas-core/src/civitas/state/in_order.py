"""Reads and writes of several keys that belong together, with what a store offers: in one go, or in a safe order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from civitas.state.store import BatchStore, RevisionedStore, StateStore, offers
from civitas.state.values import MOST_CHANGES

__all__ = [
    "is_piece",
    "keys_of_pieces",
    "piece_key",
    "read_head",
    "read_many",
    "write_in_order",
]

_BELOW = "\x1f"
"""Between the key of a head and what the keys of its pieces end with: no word of people has it."""

_AT_ONCE = 32  # calls of a store without batches


def piece_key(key: str, name: str) -> str:
    """The key of a piece of what is kept under `key`, by a name of its own."""
    return f"{key}{_BELOW}{name}"


def is_piece(key: str) -> bool:
    """Whether a key is that of a piece."""
    return _BELOW in key


async def keys_of_pieces(store: StateStore, key: str) -> list[str]:
    """The keys of the pieces that are there of `key`, whatever wrote them; none if the store cannot list."""
    keys = getattr(store, "keys", None)
    found: list[str] = await keys(piece_key(key, "")) if callable(keys) else []
    return found


async def read_head(store: StateStore, key: str) -> tuple[dict[str, Any] | None, int | None]:
    """The value under `key`, and its revision; None for that of a store without revisions."""
    if offers(store, RevisionedStore):
        return await cast(RevisionedStore, store).get_with_revision(key)
    return await store.get(key), None


async def read_many(store: StateStore, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The values under `keys`, without those under which nothing is."""
    if offers(store, BatchStore):
        return await cast(BatchStore, store).get_many(keys)
    found: dict[str, dict[str, Any]] = {}
    for some in _parts(keys, _AT_ONCE):
        values = await asyncio.gather(*map(store.get, some))
        found |= {key: value for key, value in zip(some, values, strict=True) if value is not None}
    return found


async def write_in_order(
    store: StateStore,
    pieces: Mapping[str, dict[str, Any]],
    heads: Mapping[str, dict[str, Any] | None],
    gone: Sequence[str],
    *,
    expect: Mapping[str, int],
) -> dict[str, int]:
    """Write `pieces`, then `heads` (None forgets one), then forget what is `gone`; at once where the store can.

    Args:
        store: Where.
        pieces: What nobody reads before a head names it.
        heads: What names pieces, in this order.
        gone: The keys of pieces that no head names any more, and of what nobody needs besides.
        expect: The revisions that must be there, of a store that has them.

    Returns:
        The new revisions of `heads`, of a store that has them.

    Raises:
        StateConflict: Another revision is there, and no head was changed.
    """
    if offers(store, BatchStore):
        batches = cast(BatchStore, store)
        if len(pieces) + len(heads) + len(gone) <= MOST_CHANGES:
            # In this order, what is gone makes room for what comes.
            changes = {**dict.fromkeys(gone), **pieces, **heads}
            return await batches.write(changes, expect=expect)
        for some in _parts(list(pieces), MOST_CHANGES):
            await batches.write({key: pieces[key] for key in some}, expect=expect)
        written = await batches.write(heads, expect=expect)
        for some in _parts(gone, MOST_CHANGES):
            await batches.write(dict.fromkeys(some))
        return written
    for some in _parts(list(pieces), _AT_ONCE):
        await asyncio.gather(*(store.set(key, pieces[key]) for key in some))
    written = {}
    for key, head in heads.items():
        if key in expect:
            # What is to be forgotten is emptied first: only so nobody forgets what somebody else has written since.
            revisioned = cast(RevisionedStore, store)
            revision = await revisioned.compare_and_set(key, head or {}, expect[key])
            if head is not None:
                written[key] = revision
        elif head is not None:
            await store.set(key, head)
        if head is None:
            await store.delete(key)
    for some in _parts(gone, _AT_ONCE):
        await asyncio.gather(*map(store.delete, some))
    return written


def _parts(keys: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    return (keys[begin : begin + most] for begin in range(0, len(keys), most))

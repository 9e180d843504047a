"""The heads of long records: their form, and what they say of pieces."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from civitas.errors import StateConflict, StateStoreError
from civitas.message import encode
from civitas.state.in_order import read_head, write_in_order
from civitas.state.segments import Segment, dumped, loaded
from civitas.state.store import StateStore

__all__ = [
    "FORMAT",
    "MARK",
    "check_format",
    "claim",
    "is_head",
    "is_short",
    "may_be_longer",
    "named_pieces",
    "parts",
    "written",
]

FORMAT = 2
"""The number of the form in which heads are written. In the first, all stood under one key and had no number."""

MARK = "civitas:kept"
_SHORT = 512  # bytes of a value or a list that stands in the head


def is_head(value: Mapping[str, Any] | None) -> bool:
    """Whether a value is a head, and not what an earlier version kept."""
    return value is not None and MARK in value


def is_short(value: Any, name: str) -> bool:
    """Whether a value stands in the head; `name` is what an error calls it."""
    return len(encode(value, name)) <= _SHORT


def check_format(head: Mapping[str, Any], key: str) -> None:
    """Refuse a head in a form that this version does not know."""
    if head[MARK] > FORMAT:
        raise StateStoreError(
            f"what is kept under {key!r} was written by a newer Civitas (format {head[MARK]}, this one knows "
            f"{FORMAT}) and was left alone. Upgrade civitas-core and the adapters",
            key=key,
        )


def parts(
    segments: Mapping[str, Sequence[Segment]],
    short: Mapping[str, Any],
    placed: Mapping[str, int],
    small: Mapping[str, Any],
) -> dict[str, Any]:
    """What of a head says where the rest is: of lists and of values, each in pieces or in the head."""
    lists = {name: dumped(each) for name, each in segments.items()}
    all_ = {"lists": lists, "short": short, "values": placed, "small": small}
    return {name: dict(each) for name, each in all_.items() if each}


def named_pieces(head: Mapping[str, Any]) -> Iterable[int]:
    """The numbers of the pieces that a head names."""
    for facts in head.get("lists", {}).values():
        yield from (each.piece for each in loaded(facts))
    yield from head.get("values", {}).values()


def may_be_longer(head: Mapping[str, Any], items: int) -> bool:
    """Whether a list of more than so many items may be in a record whose head this is."""
    if not is_head(head):
        return True
    lists = [sum(map(len, loaded(facts))) for facts in head.get("lists", {}).values()]
    lists += map(len, head.get("short", {}).values())
    # Without any, what there is of it stands in the facts.
    return not lists or max(lists) > items


def written(head: Mapping[str, Any] | None) -> int | None:
    """When a record was written whose head this is, in unix seconds; None if it is not in a form that says so."""
    return head["used"] if head is not None and is_head(head) else None


async def claim(store: StateStore, key: str, *, unused_since: float) -> None:
    """Note that the record under `key` is in use, if nobody has written it since then, in unix seconds.

    Whoever drops what nobody uses, in another OS process, then leaves it alone.
    """
    head, revision = await read_head(store, key)
    used = written(head)
    if head is None or used is None or used >= unused_since:
        return
    expect = {} if revision is None else {key: revision}
    with suppress(StateConflict):  # then somebody else has written it
        now = {**head, "used": int(time.time())}
        await write_in_order(store, {}, {key: now}, (), expect=expect)

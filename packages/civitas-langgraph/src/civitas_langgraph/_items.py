"""Parts of a channel's value that are kept each by itself, and how one is known again without writing it."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Sequence
from typing import Any

from langgraph.checkpoint.serde.types import _DeltaSnapshot
from pydantic import BaseModel

from civitas_langgraph._packed import Stored, Typed, unpack

__all__ = ["Dumps", "Item", "Loads", "joined", "parted"]

Dumps = Callable[[Any], Typed]
Loads = Callable[[Typed], Any]

_ATOMS = frozenset({str, int, float, bool, bytes, type(None)})
_NOT_READ: Any = object()


class Item:
    """A part of a value as it is kept.

    Attributes:
        stored: What is stored. As long as that is the same object, it is not stored again.
        log: The name of the log that it is in.
        index: Where it is there.
    """

    __slots__ = ("_mark", "_value", "index", "log", "stored")

    def __init__(self, stored: Stored, log: str, index: int) -> None:
        self.stored = stored
        self.log = log
        self.index = index
        self._value: Any = _NOT_READ
        self._mark: int | None = None

    @property
    def size(self) -> int:
        """Bytes that are stored."""
        return len(self.stored if isinstance(self.stored, bytes) else self.stored[1])

    @property
    def value(self) -> Any:
        """The object that is what is stored, if one is known."""
        return self._value

    def is_of(self, value: Any) -> bool:
        """Whether it keeps `value`, as far as can be seen without writing that."""
        mine = self._value
        if type(value) in _ATOMS:
            return type(value) is type(mine) and bool(value == mine)
        if mine is not value and not _is_same_pair(mine, value):
            return False
        return self._mark is not None and _mark_of(value) == self._mark

    def holds(self, value: Any) -> None:
        """`value` is what is stored."""
        self._value, self._mark = value, _mark_of(value)

    def read(self, loads: Loads) -> Any:
        """The value as it was stored: the same object as before, unless somebody may have changed that."""
        value = self._value
        if value is _NOT_READ or not (type(value) in _ATOMS or self.is_of(value)):
            self.holds(loads(unpack(self.stored)))
        return self._value


def _mark_of(value: Any) -> int | None:
    """A number that changes with whatever is in `value`; None where that cannot be seen from outside."""
    try:
        return hash(marshal.dumps(_inside(value), 0))
    except ValueError:
        return None


def _inside(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.__dict__, value.__pydantic_extra__
    if type(value) is tuple and len(value) == 2:  # an entry of a dict
        return value[0], _inside(value[1])
    return value


def _is_same_pair(mine: Any, value: Any) -> bool:
    return (
        type(mine) is tuple
        and type(value) is tuple
        and len(mine) == len(value) == 2
        and mine[0] == value[0]
        and mine[1] is value[1]
    )


# A list is kept item by item, and a dict entry by entry; anything else is one item.


def parted(value: Any) -> tuple[str, bool, Sequence[Any]]:
    """What `value` is made of: its kind, whether it is a snapshot of a delta channel, and its items."""
    snapshot = isinstance(value, _DeltaSnapshot)
    inner = value.value if snapshot else value
    if type(inner) is list:
        return "list", snapshot, inner
    if type(inner) is dict and all(type(key) is str for key in inner):
        return "dict", snapshot, list(inner.items())
    return "one", False, (value,)


def joined(kind: str, snapshot: bool, items: Sequence[Any]) -> Any:
    """The value that `parted` took apart; lists and dicts are new ones."""
    if kind == "one":
        return items[0]
    value = list(items) if kind == "list" else dict(items)
    return _DeltaSnapshot(value) if snapshot else value

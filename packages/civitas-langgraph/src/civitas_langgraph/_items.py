"""Parts of a channel's value that are kept each by itself, and how one is known again without writing it."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from civitas_langgraph._packed import Stored, Typed, unpack

__all__ = ["Dumps", "Item", "Loads"]

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
        """The object that is what is stored; None if none is known."""
        return None if self._value is _NOT_READ else self._value

    def is_of(self, value: Any) -> bool:
        """Whether it keeps `value`, as far as can be seen without writing that."""
        mine = self._value
        if type(value) in _ATOMS and type(value) is not float:  # 0.0 is as much as -0.0
            return type(value) is type(mine) and bool(value == mine)
        if mine is not value and not _is_same_pair(mine, value):
            return False
        return self._mark is not None and _mark_of(value) == self._mark

    def holds(self, value: Any, loads: Loads) -> None:
        """`value` was stored: it is handed out as long as it is what would be read."""
        self._value, self._mark = value, _mark_of(value)
        if type(value) not in _ATOMS and self._mark is not None:
            read = loads(unpack(self.stored))  # a tuple becomes a list, say
            if _mark_of(read) != self._mark:
                self._value, self._mark = _NOT_READ, None

    def read(self, loads: Loads) -> Any:
        """The value as it was stored: the same object as before, unless somebody may have changed that."""
        value = self._value
        if value is _NOT_READ or not (type(value) in _ATOMS or self.is_of(value)):
            self._value = loads(unpack(self.stored))
            self._mark = _mark_of(self._value)
        return self._value


def _mark_of(value: Any) -> int | None:
    """A number that changes with whatever is in `value`; None if that cannot be seen from outside."""
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

"""The value of a channel as a checkpoint keeps it, and what that is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.serde.types import _DeltaSnapshot

if TYPE_CHECKING:
    from civitas_langgraph._items import Item
    from civitas_langgraph._packed import Stored

__all__ = ["Run", "Value", "joined", "parted"]

_FEW_KEYS = 16

Run = tuple[str, int, int]
"""Items that stand behind each other: their log, the index of the first, and how many they are."""


class Value:
    """The value of a channel: as it is stored if it is small, otherwise as runs of items or as values by key.

    Attributes:
        stored: What is stored; None if it is made of something.
        kind: As `parted` tells it.
        snapshot: As `parted` tells it.
        runs: Its items.
        parts: For a dict of few keys, the value of each.
        items: The items one by one, where they are at hand.
    """

    __slots__ = ("items", "kind", "parts", "runs", "snapshot", "stored")

    def __init__(
        self,
        stored: Stored | None = None,
        kind: str = "one",
        snapshot: bool = False,
        runs: Sequence[Run] = (),
        parts: Mapping[str, Value] | None = None,
    ) -> None:
        self.stored = stored
        self.kind = kind
        self.snapshot = snapshot
        self.runs = runs
        self.parts = parts
        self.items: list[Item] | None = None

    def record(self) -> Any:
        """As it is stored."""
        if self.stored is not None:
            return self.stored
        if self.parts is not None:
            made_of: Any = {name: each.record() for name, each in self.parts.items()}
        else:
            made_of = [list(each) for each in self.runs]
        return [self.kind, self.snapshot, made_of]

    @classmethod
    def read(cls, record: Any) -> Value:
        """What `record` wrote."""
        if isinstance(record, bytes) or len(record) == 2:
            return cls(record)
        kind, snapshot, made_of = record
        if isinstance(made_of, dict):
            parts = {name: cls.read(each) for name, each in made_of.items()}
            return cls(None, kind, snapshot, parts=parts)
        return cls(None, kind, snapshot, [tuple(each) for each in made_of])

    def leaves(self) -> Iterator[Value]:
        """The values that are made of items."""
        if self.parts is not None:
            for each in self.parts.values():
                yield from each.leaves()
        elif self.stored is None:
            yield self


def parted(value: Any) -> tuple[str, bool, Sequence[Any]]:
    """What `value` is made of: its kind, whether it is a snapshot of a delta channel, and its items.

    A list is kept item by item, and a dict entry by entry; one of few keys, such as what a subgraph begins with, value
    by value. Anything else is one item.
    """
    snapshot = isinstance(value, _DeltaSnapshot)
    inner = value.value if snapshot else value
    if type(inner) is list:
        return "list", snapshot, inner
    if type(inner) is dict and all(type(key) is str for key in inner):
        return "few" if len(inner) <= _FEW_KEYS else "dict", snapshot, list(inner.items())
    return "one", False, (value,)


def joined(kind: str, snapshot: bool, items: Sequence[Any]) -> Any:
    """The value that `parted` took apart; lists and dicts are new ones."""
    if kind == "one":
        return items[0]
    value = list(items) if kind == "list" else dict(items)
    return _DeltaSnapshot(value) if snapshot else value

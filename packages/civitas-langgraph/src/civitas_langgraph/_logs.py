"""The values of a thread's channels: what a value has in common with one that is kept is not kept again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from civitas_langgraph._items import Dumps, Item, Loads
from civitas_langgraph._packed import Stored, pack, unpack
from civitas_langgraph._values import Run, Value, joined, parted

__all__ = ["Log", "Logs"]

_INLINE = 512
"""A value of up to that many bytes stands in its checkpoint."""
_FEW = 16
"""Of a list with more items than that it is not tried."""
_MOST_RUNS = 64
"""A value in more runs than that, as many small changes make it, is written again as one."""
_LEAST_SHARED = 64
"""A smaller item is written again rather than looked for."""


class Log:
    """The items of all channels of one name, in the order in which they came.

    Attributes:
        first: The index of the first that is still there.
        items: The items.
    """

    def __init__(self, name: str, first: int = 0, stored: Iterable[Stored] = ()) -> None:
        self.name = name
        self.first = first
        self.items = [Item(each, name, first + at) for at, each in enumerate(stored)]

    def add(self, stored: Stored) -> Item:
        """Put an item at the end."""
        item = Item(stored, self.name, self.first + len(self.items))
        self.items.append(item)
        return item

    def replace(self, items: list[Item], first: int = 0) -> None:
        """Let these be the items."""
        self.first, self.items = first, items
        for at, item in enumerate(items, first):
            item.index = at

    def run(self, index: int, count: int) -> list[Item]:
        """The items from `index` on."""
        return self.items[index - self.first : index - self.first + count]


class Logs:
    """What the values of a thread are made of.

    Args:
        dumps: The serializer's.
        loads: The serializer's.
    """

    def __init__(self, dumps: Dumps, loads: Loads) -> None:
        self._dumps = dumps
        self._loads = loads
        self.logs: dict[str, Log] = {}
        self._by_object: dict[int, Item] = {}
        self._by_stored: dict[bytes, Item] = {}

    def put(self, channel: str, value: Any, before: Value | None, *, inside: bool = False) -> Value:
        """Keep `value`.

        Args:
            channel: The channel's name.
            value: Its value.
            before: What it had before; None for nothing.
            inside: It is the value of a key of a channel's.
        """
        kind, snapshot, parts = parted(value)
        if kind == "few" and inside:
            kind = "dict"
        grows = before is not None and before.kind == kind != "one" and before.stored is None
        if len(parts) <= _FEW and not grows:
            typed = self._dumps(value)
            if len(typed[1]) <= _INLINE:
                return Value(pack(typed))
        if kind == "few":
            old = (before.parts if before is not None else None) or {}
            return Value(
                None,
                kind,
                snapshot,
                parts={
                    name: self.put(name, each, old.get(name), inside=True) for name, each in parts
                },
            )
        known = self.items(before) if before is not None else []
        items = [
            self._put(channel, part, known[at] if at < len(known) else None)
            for at, part in enumerate(parts)
        ]
        runs = list(_runs(items))
        if len(runs) > _MOST_RUNS:
            items = [self._add(channel, part, pack(self._dumps(part))) for part in parts]
            runs = list(_runs(items))
        kept = Value(None, kind, snapshot, runs)
        kept.items = items
        return kept

    def _put(self, channel: str, part: Any, here: Item | None) -> Item:
        """The item that keeps `part`; `here` is the one that may."""
        if here is not None and here.is_of(part):
            return here
        item = self._by_object.get(id(part))
        if item is not None and item.is_of(part):
            return item
        new = pack(self._dumps(part))
        same = here if here is not None and here.stored == new else None
        if same is None and isinstance(new, bytes):
            same = self._by_stored.get(new)
        return self._add(channel, part, new) if same is None else self._know(same, part)

    def _add(self, channel: str, part: Any, new: Stored) -> Item:
        log = self.logs.get(channel)
        if log is None:
            log = self.logs[channel] = Log(channel)
        return self._know(log.add(new), part)

    def _know(self, item: Item, part: Any) -> Item:
        """`part` is the object that `item` keeps."""
        self._forget_object(item)
        item.holds(part, self._loads)
        self._remember(item)
        return item

    def _remember(self, item: Item) -> None:
        if item.size >= _LEAST_SHARED:
            if item.value is not None:
                self._by_object[id(item.value)] = item
            if isinstance(item.stored, bytes):
                self._by_stored.setdefault(item.stored, item)

    def _forget_object(self, item: Item) -> None:
        if self._by_object.get(id(item.value)) is item:
            del self._by_object[id(item.value)]

    def get(self, value: Value) -> Any:
        """The value; its lists and dicts are the caller's own."""
        if value.stored is not None:
            return self._loads(unpack(value.stored))
        if value.parts is not None:
            items: list[Any] = [(name, self.get(each)) for name, each in value.parts.items()]
        else:
            items = list(map(self._read, self.items(value)))
        return joined(value.kind, value.snapshot, items)

    def _read(self, item: Item) -> Any:
        before = item.value
        part = item.read(self._loads)
        if part is not before:
            self._by_object.pop(id(before), None)
            self._remember(item)
        return part

    def items(self, value: Value) -> list[Item]:
        """The items of a value."""
        if value.items is None:
            value.items = [
                item
                for log, index, count in value.runs
                for item in self.logs[log].run(index, count)
            ]
        return value.items

    def trim(self, values: Iterable[Value], *, exactly: bool) -> bool:
        """Drop items that no value needs any more.

        Args:
            values: All that stay.
            exactly: Drop all of these, so that indices of others change and `runs` with them; otherwise only those
                before the first that is needed, and all where they are the most.

        Returns:
            Whether indices changed.
        """
        needed: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        values = [leaf for value in values for leaf in value.leaves()]
        for value in values:
            for where, index, count in value.runs:
                needed[where].append((index, index + count))
        changed = False
        for name, log in list(self.logs.items()):
            runs = _merged(needed[name])
            if not runs:
                self._drop(log.items)
                del self.logs[name]
            elif _is_to_be_packed(log, runs, exactly=exactly):
                if not changed:  # before the first index changes
                    changed = True
                    for value in values:
                        self.items(value)
                kept = [item for begin, end in runs for item in log.run(begin, end - begin)]
                there = set(map(id, kept))
                self._drop([item for item in log.items if id(item) not in there])
                log.replace(kept)
            elif runs[0][0] > log.first:
                gone = runs[0][0] - log.first
                self._drop(log.items[:gone])
                log.replace(log.items[gone:], first=runs[0][0])
        for value in values if changed else ():
            value.runs = list(_runs(value.items or ()))
        return changed

    def _drop(self, items: Iterable[Item]) -> None:
        for item in items:
            self._forget_object(item)
            if isinstance(item.stored, bytes) and self._by_stored.get(item.stored) is item:
                del self._by_stored[item.stored]

    def load(self, lists: Mapping[str, Sequence[Stored]], firsts: Mapping[str, int]) -> None:
        """Take in what is stored: the items of each log, and the index of its first."""
        self.logs = {name: Log(name, firsts.get(name, 0), each) for name, each in lists.items()}


def _is_to_be_packed(log: Log, needed: Sequence[tuple[int, int]], *, exactly: bool) -> bool:
    count = sum(end - begin for begin, end in needed)
    return count < len(log.items) if exactly else 2 * count < len(log.items)


def _runs(items: Iterable[Item]) -> Iterator[Run]:
    log, first, count = "", 0, 0
    for item in items:
        if count and item.index == first + count and item.log == log:
            count += 1
            continue
        if count:
            yield log, first, count
        log, first, count = item.log, item.index, 1
    if count:
        yield log, first, count


def _merged(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Begin and end of all that `runs` cover, in order."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(runs):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged

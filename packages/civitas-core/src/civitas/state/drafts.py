"""`Draft`: the pieces that a long record is about to write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from civitas.message import encode
from civitas.state.segments import Segment, arranged, chunks, merged

__all__ = ["Draft"]


class Draft:
    """The pieces that a save writes.

    Args:
        next: The number of the first.
        taken: Numbers of other pieces.

    Attributes:
        next: The number of the next one.
        pieces: Them, by number.
    """

    def __init__(self, next: int, taken: Collection[int]) -> None:
        self.next = next
        self._taken = taken
        self.pieces: dict[int, dict[str, Any]] = {}

    def put(self, value: dict[str, Any]) -> int:
        """Write a piece; returns its number."""
        while self.next in self._taken:
            self.next += 1
        number, self.next = self.next, self.next + 1
        self.pieces[number] = value
        return number

    def kept(
        self, name: str, before: Sequence[Any], segments: Sequence[Segment], items: Sequence[Any]
    ) -> tuple[Segment, ...]:
        """Write what is new of a list; returns what it is kept as.

        Args:
            name: What an error calls it.
            before: The list as it is kept.
            segments: As what it is kept.
            items: The list as it is now.
        """

        def size_of(place: range) -> int:
            return len(encode(items[place.start : place.stop], name))

        found: list[Segment] = []
        for part in merged(arranged(before, segments, items), size_of):
            if isinstance(part, Segment):
                found.append(part)
                continue
            for some in chunks(items, part, size_of(part)):
                number = self.put({"items": list(items[some.start : some.stop])})
                found.append(Segment(number, 0, len(some), len(some), size_of(some)))
        return tuple(found)

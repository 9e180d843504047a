"""A long list in pieces: which of them stay as they are when it changes, and which items are written again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import is_
from typing import Any, TypeAlias

from civitas.message import encode

__all__ = ["Part", "Segment", "arranged", "chunks", "cut", "dumped", "loaded", "merged"]

_TINY, _SMALL = 1024, 32 * 1024
"""Bytes below which pieces are merged."""
_MANY_TINY, _MANY = 16, 32
"""How many of them at the end of a list are merged."""
_LARGE = 256 * 1024
"""Bytes of a piece that is large enough, so that a change in the middle of a list does not write all of it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a list: items of one piece that stand behind each other.

    Attributes:
        piece: The number of the piece.
        begin: The first of its items that belongs to the list.
        end: Behind the last one.
        count: How many items the piece has.
        size: How many bytes it has.
    """

    piece: int
    begin: int
    end: int
    count: int
    size: int

    def __len__(self) -> int:
        return self.end - self.begin

    @property
    def share(self) -> int:
        """About how many bytes of the piece belong to the list."""
        return math.ceil(self.size * len(self) / self.count)


Part: TypeAlias = "Segment | range"
"""Of a list that is to be kept: what is there, or the indices of items that are written again."""


def cut(segments: Iterable[Segment], begin: int, end: int) -> Iterator[Segment]:
    """What of `segments` holds the items from `begin` up to `end` of their list."""
    at = 0
    for each in segments:
        first, last = max(begin - at, 0), min(end - at, len(each))
        if first < last:
            yield replace(each, begin=each.begin + first, end=each.begin + last)
        at += len(each)


def arranged(
    before: Sequence[Any], segments: Sequence[Segment], after: Sequence[Any]
) -> list[Part]:
    """How `after` is kept, where `before` is kept as `segments`: what both begin and end with stays.

    So nothing is written again of a list that was appended to, or shortened at either end, or changed in one place, or
    of one that holds the newest of something. An item is the same as before if it is the same object, or encoded as
    that was.
    """
    gone = _gone_from_the_front(before, after)
    if gone:
        segments = tuple(cut(segments, gone, len(before)))
        before = before[gone:]
    same = 0
    if len(after) >= len(before) and all(map(is_, before, after)):
        same = len(before)  # the common case, in a fraction of the time
    while same < min(len(before), len(after)) and _is_same(before[same], after[same]):
        same += 1
    last = 0
    while last < min(len(before), len(after)) - same and _is_same(
        before[-1 - last], after[-1 - last]
    ):
        last += 1
    stay: list[Part] = [
        *cut(segments, 0, same),
        range(same, len(after) - last),
        *cut(segments, len(before) - last, len(before)),
    ]
    left: Counter[int] = Counter()
    for each in stay:
        if isinstance(each, Segment):
            left[each.piece] += len(each)
    parts: list[Part] = []
    at = 0
    for each in stay:
        place = range(at, at + len(each))
        at = place.stop
        # A piece of which less than half is left would take more room than writing that again.
        if isinstance(each, range) or 2 * left[each.piece] < each.count:
            _add(parts, place)
        else:
            parts.append(each)
    return parts


def merged(parts: Sequence[Part], size_of: Callable[[range], int]) -> list[Part]:
    """`parts` with many small ones at their end written again as one, so that reading them all takes few reads.

    An item is written three times at most until its piece is large enough to stay.

    Args:
        parts: How a list is kept.
        size_of: About how many bytes the items with these indices have.
    """
    sizes = [size_of(each) if isinstance(each, range) else each.share for each in parts]
    tiny = _at_the_end(sizes, _TINY)
    small = _at_the_end(sizes, _SMALL)
    count = small if small >= _MANY else tiny if tiny >= _MANY_TINY else 0
    if not count:
        return list(parts)
    kept = list(parts[: len(parts) - count])
    end = sum(map(len, parts))
    _add(kept, range(end - sum(map(len, parts[len(parts) - count :])), end))
    return kept


def chunks(items: Sequence[Any], place: range, size: int) -> Iterator[range]:
    """The items with these indices, which have `size` bytes, as pieces that are not too large."""
    if size <= _LARGE:
        if place:
            yield place
        return
    begin, bytes_ = place.start, 0
    for index in place:
        bytes_ += len(encode(items[index]))
        if bytes_ >= _LARGE:
            yield range(begin, index + 1)
            begin, bytes_ = index + 1, 0
    if begin < place.stop:
        yield range(begin, place.stop)


def dumped(segments: Iterable[Segment]) -> list[int]:
    """Segments as they are stored: the number of each piece as a step from the one before, which is a small one."""
    facts: list[int] = []
    before = 0
    for each in segments:
        facts += (each.piece - before, each.begin, each.end, each.count, each.size)
        before = each.piece
    return facts


def loaded(facts: Sequence[int]) -> tuple[Segment, ...]:
    """Segments as `dumped` made them."""
    pieces = accumulate(facts[::5])
    rest = (facts[at : at + 4] for at in range(1, len(facts), 5))
    return tuple(Segment(piece, *each) for piece, each in zip(pieces, rest, strict=True))


def _gone_from_the_front(before: Sequence[Any], after: Sequence[Any]) -> int:
    if not before or not after or _is_same(before[0], after[0]):
        return 0
    return next((at for at, each in enumerate(before) if _is_same(each, after[0])), 0)


def _is_same(one: Any, other: Any) -> bool:
    # Encoded, as to Python 1 is the same as True.
    return one is other or (one == other and encode(one) == encode(other))


def _at_the_end(sizes: Sequence[int], below: int) -> int:
    count = 0
    while count < len(sizes) and sizes[-1 - count] < below:
        count += 1
    return count


def _add(parts: list[Part], place: range) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, range):
        parts[-1] = range(last.start, place.stop)
    elif place:
        parts.append(place)

"""Which messages the agents of a process are handling, in memory that outlives it.

A process that is killed can tell nobody what it was doing. So it notes the ids of the messages in hand in a mapped
file: a few bytes are copied, nothing is flushed, and the kernel keeps them when the process is gone. Its starter, or
the next run of the program, reads there which messages were given to an incarnation that did not survive them, and to
how many before that; and which were finished last, as the process may have had no time to say so.
"""

from __future__ import annotations

import mmap
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["InHand", "Noted", "read_in_hand"]

_ID = 36
"""Bytes of an id: a UUID as text."""
_NOTE = struct.Struct(f"{_ID}sB")
_PLACE = _NOTE.size
"""Bytes of a place: an id, and how many incarnations were given the message."""
_FINISHED = 0x80
"""Set in the count of one that is finished."""
_KEPT = 0x40
"""Set in the count of one that the broker keeps."""
_AGAIN = 0x20
"""Set in the count of one that is delivered again."""
_MOST = 0x1F
"""No more incarnations are counted."""
_PLACES = 4096
"""How many messages can be noted; beyond, the last ones are not, and do not count as a delivery."""


class InHand:
    """Notes what is in hand.

    Args:
        file: Where; made if it is not there.
        is_sure: Whether an agent has `at_least_once`; of another nothing is delivered again.
    """

    outlived = reads = True

    def __init__(self, file: Path, is_sure: Callable[[str], bool]) -> None:
        self._is_sure = is_sure
        with file.open("w+b") as opened:
            opened.truncate(_PLACES * _PLACE)
            self._map = mmap.mmap(opened.fileno(), _PLACES * _PLACE)
        self._free = deque(range(_PLACES))
        """Those freed last are used last: what was finished there can be read for a while."""
        self._places: dict[str, int] = {}

    def begun(self, agent: str, id: str, *, kept: bool = False) -> None:
        """A message is being handled from now on, by an incarnation that was not given it before."""
        place = self._places.get(id)
        if place is not None:
            at = (place + 1) * _PLACE - 1
            if self._map[at] & _MOST < _MOST:
                self._map[at] += 1
        elif self._free:
            place = self._places[id] = self._free.popleft()
            flags = (_KEPT if kept else 0) | (_AGAIN if self._is_sure(agent) else 0)
            _NOTE.pack_into(self._map, place * _PLACE, id.encode(), flags | 1)

    def finished(self, id: str) -> None:
        """A message is finished."""
        place = self._places.get(id)
        if place is not None:
            at = (place + 1) * _PLACE - 1
            flags = self._map[at] = self._map[at] | _FINISHED
            if not flags & _KEPT:
                del self._places[id]
                self._free.append(place)

    def forgotten(self, id: str) -> None:
        """The broker, which kept a message, has let go of it."""
        place = self._places.pop(id, None)
        if place is not None:
            self._map[(place + 1) * _PLACE - 1] = 0
            self._free.append(place)

    def put_back(self, id: str) -> None:
        """A message stays where it is kept, as if it had not been in hand: one incarnation less was given it."""
        place = self._places.get(id)
        if place is not None:
            at = (place + 1) * _PLACE - 1
            self._map[at] -= 1
            if not self._map[at] & _MOST:
                self.forgotten(id)

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


@dataclass(frozen=True, slots=True)
class Noted:
    """What a process noted which is gone: how many of its incarnations were given a message, by its id.

    Attributes:
        in_hand: Those that were being handled.
        finished: Those that were finished last; most of them were heard of.
        kept: Those of both that the broker keeps.
        again: Those of both that are delivered again.
        is_known: Whether it could say what was in hand.
    """

    in_hand: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()
    is_known: bool = False


def read_in_hand(file: Path | None) -> Noted:
    """What a process noted in a file; nothing if there is none."""
    if file is None or not file.exists():
        return Noted()
    in_hand: dict[str, int] = {}
    finished: dict[str, int] = {}
    kept: set[str] = set()
    again: set[str] = set()
    raw = file.read_bytes()
    for at in range(0, len(raw), _PLACE):
        if count := raw[at + _ID]:
            where = finished if count & _FINISHED else in_hand
            id = raw[at : at + _ID].rstrip(b"\0").decode()
            where[id] = count & _MOST
            if count & _KEPT:
                kept.add(id)
            if count & _AGAIN:
                again.add(id)
    return Noted(in_hand, finished, frozenset(kept), frozenset(again), is_known=True)

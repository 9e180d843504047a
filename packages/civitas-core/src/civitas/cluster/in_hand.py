"""Which messages the agents of a node are handling, in memory that outlives the process.

A process that is killed can tell nobody what it was doing. So it notes the ids of the messages in hand in a mapped
file: a few bytes are copied, nothing is flushed, and the kernel keeps them when the process is gone. Its starter reads
there which messages were given to an incarnation that did not survive them.
"""

from __future__ import annotations

import mmap
from pathlib import Path

__all__ = ["InHand", "read_in_hand"]

_ID = 36
"""Bytes of an id: a UUID as text."""
_PLACES = 4096
"""How many messages can be noted; beyond, the last ones are not, and do not count as a delivery."""
_EMPTY = bytes(_ID)


class InHand:
    """Notes what is in hand.

    Args:
        file: Where; made if it is not there.
    """

    def __init__(self, file: Path) -> None:
        with file.open("w+b") as opened:
            opened.truncate(_PLACES * _ID)
            self._map = mmap.mmap(opened.fileno(), _PLACES * _ID)
        self._free = list(range(_PLACES - 1, -1, -1))
        self._places: dict[str, int] = {}

    def take(self, id: str) -> None:
        """A message is being handled from now on."""
        if id in self._places or not self._free:
            return
        place = self._places[id] = self._free.pop()
        self._map[place * _ID : (place + 1) * _ID] = id.encode().ljust(_ID, b"\0")[:_ID]

    def drop(self, id: str) -> None:
        """A message is finished."""
        place = self._places.pop(id, None)
        if place is not None:
            self._map[place * _ID : (place + 1) * _ID] = _EMPTY
            self._free.append(place)

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()


def read_in_hand(file: Path) -> list[str]:
    """The ids that a process noted there which is gone; none where it noted nothing."""
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return []
    noted = (raw[at : at + _ID].rstrip(b"\0") for at in range(0, len(raw), _ID))
    return [id.decode() for id in noted if id]

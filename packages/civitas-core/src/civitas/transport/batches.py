"""What travels on a link: a batch of frames one way, an acknowledgement the other way.

A batch is a head, a table with the sizes of its frames, and the frames; a single large frame is a part of its own, so
that it is not copied into place.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

__all__ = ["ANY_RUN", "BATCH", "ID_SIZE", "Ack", "Batch", "Mark", "link_ids", "new_id", "sender_of"]

BATCH = 64 * 1024
"""Bytes of frames that are put together at most; a larger frame is a batch of its own."""

ID_SIZE = 8
ANY_RUN = bytes(ID_SIZE)

_SENDER_SIZE = 6
"""Bytes of its sender's run that the id of a link begins with."""

_VERSION = 1
_HEAD = struct.Struct(f"<BB{ID_SIZE}s{ID_SIZE}sQI")
_ACK = struct.Struct(f"<{ID_SIZE}sQ")


def new_id() -> bytes:
    """An id for a run."""
    return secrets.token_bytes(ID_SIZE)


def link_ids(run: bytes) -> Iterator[bytes]:
    """Ids for the links of a run. They come again after 65,536, when the first ones are long over."""
    size = ID_SIZE - _SENDER_SIZE
    for number in cycle(range(256**size)):
        yield run[:_SENDER_SIZE] + number.to_bytes(size, "big")


def sender_of(id: bytes) -> bytes:
    """What ids of links have in common with the run that they come from."""
    return id[:_SENDER_SIZE]


class Mark:
    """What a batch says of itself, as a sum. Plain numbers: an enum takes longer than the rest of a small batch."""

    ANSWER = 1
    """The receiver shall acknowledge it."""
    PIECE = 2
    """It holds a piece of a frame that is larger than a batch may be."""
    MORE = 4
    """Another piece of that frame comes in a later batch."""
    URGENT = 8
    """The frame is an urgent one: its pieces may come between those of one that is not."""


@dataclass(frozen=True, slots=True)
class Ack:
    """What a receiver answers.

    Attributes:
        run: The receiver's run.
        expected: The number of the batch that it takes next.
    """

    run: bytes
    expected: int

    def pack(self) -> bytes:
        """As it travels."""
        return _ACK.pack(self.run, self.expected)

    @classmethod
    def unpack(cls, raw: bytes) -> Ack:
        """Raises `ValueError` for what is none."""
        try:
            return cls(*_ACK.unpack(raw))
        except struct.error as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that travel together, or a piece of one.

    Attributes:
        run: The run of the receiver that they are meant for, or `ANY_RUN`.
        link: The sender's link.
        number: Counted from 0 for each link.
        frames: The frames.
        marks: What it says of itself.
    """

    run: bytes
    link: bytes
    number: int
    frames: Sequence[bytes]
    marks: int = 0

    @property
    def answer(self) -> bool:
        """Whether the receiver shall acknowledge it."""
        return bool(self.marks & Mark.ANSWER)

    def pack(self) -> list[bytes]:
        """As it travels, in one part or two."""
        frames = self.frames
        count = len(frames)
        head = _HEAD.pack(_VERSION, self.marks, self.run, self.link, self.number, count)
        if count == 1 and len(frames[0]) > BATCH:
            return [head, frames[0]]
        return [b"".join((head, struct.pack(f"<{count}I", *map(len, frames)), *frames))]

    @classmethod
    def unpack(cls, parts: Sequence[bytes]) -> Batch:
        """Raises `ValueError` for what is none."""
        try:
            version, marks, run, link, number, count = _HEAD.unpack_from(parts[0])
            if version != _VERSION:
                raise ValueError(f"it is of version {version}")
            if len(parts) == 2 and count == 1:
                return cls(run, link, number, [parts[1]], marks)
            body = parts[0]
            sizes = struct.unpack_from(f"<{count}I", body, _HEAD.size)
        except (struct.error, IndexError) as error:
            raise ValueError(str(error)) from error
        frames = []
        at = _HEAD.size + 4 * count
        for size in sizes:
            end = at + size
            frames.append(body[at:end])
            at = end
        if at != len(body):
            raise ValueError(f"it has {len(body)} bytes and should have {at}")
        return cls(run, link, number, frames, marks)

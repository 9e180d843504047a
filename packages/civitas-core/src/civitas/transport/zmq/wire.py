"""What travels in one ZMQ message: a batch of frames one way, an acknowledgement the other way.

A batch is a head, a table with the sizes of its frames, and the frames; a single large frame is a part of its own, so
that it is not copied into place. Link, number and run make it go-back-N: a receiver takes exactly the next number of a
link, and a sender sends again, from the first that was not acknowledged, when a connection had to be made anew.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

__all__ = [
    "ANY_RUN",
    "BATCH",
    "BYTES_IN_A_TURN",
    "ID_SIZE",
    "Ack",
    "Batch",
    "link_ids",
    "new_id",
    "sender_of",
]

BATCH = 64 * 1024
"""Bytes of frames that are put together at most; a larger frame is a batch of its own."""

BYTES_IN_A_TURN = 1024 * 1024
"""A turn of the event loop takes or sends so many, and one frame more: large frames one after the other would keep it
for seconds."""

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
    """Frames that travel together.

    Attributes:
        run: The run of the receiver that they are meant for, or `ANY_RUN`.
        link: The sender's link.
        number: Counted from 0 for each link.
        answer: Whether the receiver shall acknowledge it.
        frames: The frames.
    """

    run: bytes
    link: bytes
    number: int
    answer: bool
    frames: Sequence[bytes]

    def pack(self) -> list[bytes]:
        """As it travels: the parts of a ZMQ message."""
        frames = self.frames
        count = len(frames)
        head = _HEAD.pack(_VERSION, self.answer, self.run, self.link, self.number, count)
        if count == 1 and len(frames[0]) > BATCH:
            return [head, frames[0]]
        return [b"".join((head, struct.pack(f"<{count}I", *map(len, frames)), *frames))]

    @classmethod
    def unpack(cls, parts: Sequence[bytes]) -> Batch:
        """Raises `ValueError` for what is none."""
        try:
            version, answer, run, link, number, count = _HEAD.unpack_from(parts[0])
            if version != _VERSION:
                raise ValueError(f"it is of version {version}")
            if len(parts) == 2 and count == 1:
                return cls(run, link, number, bool(answer), [parts[1]])
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
        return cls(run, link, number, bool(answer), frames)

"""What is read of one key of a bucket."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

__all__ = ["ABSENT", "KEY", "PIECES", "WRITE", "KeptValue"]

WRITE = "Civitas-Write"
"""Header with a word of the write's own, so that a writer whose answer was lost finds out that it is there."""
PIECES = "Civitas-Pieces"
"""Header of a value that is too large for one message: the id of its pieces, and how many there are."""
KEY = "Civitas-Key"
"""Header with the key, where that is too long for a subject."""

_MARKERS = ("KV-Operation", "Nats-Marker-Reason")


@dataclass(frozen=True, slots=True)
class KeptValue:
    """The newest message of a subject.

    Attributes:
        revision: Its number in the stream; 0 if there is none.
        write: The word of the write.
        raw: The encoded value; None if there is none.
        pieces: The id of its pieces; None if it is whole.
        count: How many pieces there are.
        key: The key, where it stands in the message.
        time: When it was stored, in unix seconds.
    """

    revision: int = 0
    write: str = ""
    raw: bytes | None = None
    pieces: str | None = None
    count: int = 0
    key: str | None = None
    time: float = 0.0

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Read it from what the server answers."""
        headers = _headers(base64.b64decode(message.get("hdrs") or ""))
        # Only other clients leave these, in the place of a value that they removed.
        removed = any(marker in headers for marker in _MARKERS)
        pieces, _, count = headers.get(PIECES, "").partition(" ")
        return cls(
            revision=int(message["seq"]),
            write=headers.get(WRITE, ""),
            raw=None if removed else base64.b64decode(message.get("data") or ""),
            pieces=pieces or None,
            count=int(count or 0),
            key=headers.get(KEY),
            time=datetime.fromisoformat(message["time"]).timestamp(),
        )


ABSENT = KeptValue()


def _headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode("utf-8", "replace").split("\r\n")[1:]
    return {
        name: value.strip()
        for name, colon, value in (line.partition(":") for line in lines)
        if colon
    }

"""What a topology says of the streams that are made: where they are kept, and how much they may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from civitas.duration import seconds_of
from civitas.errors.hints import did_you_mean

__all__ = ["STREAM_KEYS", "StreamLimits", "limit_problems"]

STREAM_KEYS: Mapping[str, str] = {
    "storage": "file or memory; file by default.",
    "replicas": "On how many servers of a cluster each message is: 1, 3 or 5; 1 by default.",
    "max_age": "How long a message may wait, such as 7d, 12h, 30m or seconds; no limit by default.",
    "max_bytes": "How much the stream of one mailbox size may hold, such as 10GiB; no limit by default.",
    "sync": "default, or async: acknowledge before it is written, which is faster; a crash of the server loses some.",
}
"""The keys of `stream`, and what each is for."""

_BYTES = {"": 1, "B": 1}
for _n, _letter in enumerate("KMGT", 1):
    _BYTES |= {f"{_letter}iB": 1024**_n, f"{_letter}B": 1000**_n}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_age = partial(seconds_of, below=100 * 365 * 86400)
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The limits of the streams of a system.

    Attributes:
        storage: ``file`` or ``memory``.
        replicas: On how many servers each message is.
        max_age: Seconds that a message may wait; None without limit.
        max_bytes: The most that one stream holds; None without limit.
        sync: ``default`` or ``async``.
    """

    storage: str = "file"
    replicas: int = 1
    max_age: float | None = None
    max_bytes: int | None = None
    sync: str = "default"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read those in which `limit_problems` finds nothing."""
        age, size = given.get("max_age"), given.get("max_bytes")
        return cls(
            given.get("storage", "file"),
            given.get("replicas", 1),
            None if age is None else _age(age),
            None if size is None else _bytes(size),
            given.get("sync", "default"),
        )

    def settings(self) -> dict[str, Any]:
        """The same in the words of the server."""
        found: dict[str, Any] = {
            "storage": self.storage,
            "num_replicas": self.replicas,
            "max_age": round((self.max_age or 0) * _NANO),
            "max_bytes": self.max_bytes or -1,
        }
        return found if self.sync == "default" else {**found, "persist_mode": self.sync}


def limit_problems(given: object) -> Iterator[str]:
    """What is wrong with the value of `stream`."""
    if not isinstance(given, Mapping):
        yield f"'stream' must be a mapping, such as {{replicas: 3, max_age: 7d}}; got {given!r}"
        return
    for key in given:
        if key not in STREAM_KEYS:
            yield f"stream takes {', '.join(STREAM_KEYS)}; got {key!r}{did_you_mean(key, STREAM_KEYS)}"
    if (storage := given.get("storage", "file")) not in ("file", "memory"):
        yield f"stream: 'storage' must be file or memory; got {storage!r}"
    replicas = given.get("replicas", 1)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not 1 <= replicas <= 5:
        yield f"stream: 'replicas' must be a whole number from 1 to 5; got {replicas!r}"
    if "max_age" in given and not (_age(given["max_age"]) or 0) >= 1:
        got = given["max_age"]
        yield f"stream: 'max_age' must be a time of at least 1 s, such as 7d, 12h or 90 (seconds); got {got!r}"
    if "max_bytes" in given and not 1 <= (_bytes(given["max_bytes"]) or 0) < 2**63:
        got = given["max_bytes"]
        yield f"stream: 'max_bytes' must be a size, such as 10GiB, 500MB or 1000000; got {got!r}"
    sync = given.get("sync", "default")
    if sync not in ("default", "async"):
        hint = ". The server's own sync_interval: always makes it write each message out"
        yield f"stream: 'sync' must be default or async; got {sync!r}{hint if sync == 'always' else ''}"


def _bytes(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in _BYTES:
        return None
    return int(float(found[1]) * _BYTES[found[2]])

"""Which exceptions say that the process is unsound, so that only a fresh incarnation helps."""

from __future__ import annotations

import errno
import re

__all__ = ["is_unsound"]

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

# Neither Python nor the libraries have classes for these: by the bare name of the class, what the text says.
_SAID: dict[str, re.Pattern[str]] = {
    "RuntimeError": re.compile(
        r"event loop is closed|cannot schedule new futures after|can't (start|create) new thread"
        r"|executor shutdown has been called|session is closed|client has been closed",
        re.IGNORECASE,
    ),
    # What SQLite's asyncio client says.
    "ValueError": re.compile(r"no active connection|connection closed$", re.IGNORECASE),
    "InvalidOperation": re.compile(r"after close", re.IGNORECASE),
}
_SAID |= dict.fromkeys(
    # The classes of PEP 249, of its pools, and of who wraps them.
    (
        "DatabaseError",
        "InterfaceError",
        "OperationalError",
        "PoolClosed",
        "PoolError",
        "ProgrammingError",
        "ResourceClosedError",
    ),
    re.compile(
        r"\b(connection|cursor|database|pool)\b.*\bclosed\b|\bclosed (the )?(connection|cursor|database|pool)\b"
        r"|lost connection|gone away",
        re.IGNORECASE | re.DOTALL,
    ),
)


def is_unsound(error: BaseException) -> bool:
    """Whether `error` says that memory, files or threads have run out, or that what the incarnation opened is closed.

    What it was raised from is not looked at.
    """
    if isinstance(error, (MemoryError, SystemError)):
        return True
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        return True
    # A subclass has a meaning of its own, and says so.
    said = _SAID.get(type(error).__name__)
    return said is not None and said.search(str(error)) is not None

"""`ShortLog`: keeps SQLite's write-ahead log short."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

__all__ = ["ShortLog"]

_LONGEST = 16 * 1024 * 1024
"""Bytes; SQLite itself begins again at 4 MiB if nobody is in the way."""
_BETWEEN = 0.01
"""Seconds between two looks, and tries: each of these holds up the other processes."""


class ShortLog:
    """Begins the write-ahead log of a file again if it has become long.

    SQLite does that by itself at a moment in which no other connection reads or writes. Several processes that write
    all the time never leave it one, and the log grows until the disk is full.

    Args:
        path: The database file.
    """

    def __init__(self, path: os.PathLike[str]) -> None:
        self._log = f"{os.fspath(path)}-wal"
        self._next = 0.0

    async def keep(self, query: Callable[[str], Awaitable[object]]) -> None:
        """Begin the log again if it is long. If others are in the way, a later call will find its moment.

        Args:
            query: Runs a statement on a connection to the file.
        """
        if self._is_long():
            with suppress(Exception):  # if the file cannot be used, the write that follows says so
                await query("PRAGMA wal_checkpoint(TRUNCATE)")

    def is_short(self) -> bool:
        """Whether there is nothing to do for `keep`; whichever thread asks."""
        if self._is_long():
            self._next = 0.0  # for that to find out again
            return False
        return True

    def _is_long(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _BETWEEN
        try:
            size = os.stat(self._log).st_size  # noqa: PTH116  # before many writes: Path's takes longer
        except FileNotFoundError:
            return False
        return size > _LONGEST

"""Who else uses a file: a lock that all its users share."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from civitas.launch.descriptors import keep_from_children, let_go

__all__ = ["InUse"]

_GIVE_UP_AFTER = 10.0
"""Seconds for whoever is alone to share; what it does while it is alone is short."""
_LOOK = 0.02


class InUse:
    """A lock beside a file, which the first user has alone until it lets others share it.

    Args:
        file: What is used. The lock is made beside it, and removed by the last user to leave.
    """

    def __init__(self, file: Path) -> None:
        file = file.resolve()
        self._lock = file.with_name(f"{file.name}.lock")
        self._descriptor: int | None = None

    async def join(self) -> bool:
        """Use the file; return whether nobody else does, or will before `share`."""
        began = time.monotonic()
        while self._descriptor is None and time.monotonic() - began < _GIVE_UP_AFTER:
            try:
                descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError:
                break  # nobody can say who else is there
            for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
                if _take(descriptor, kind) and self._is_there(descriptor):
                    keep_from_children(descriptor)
                    self._descriptor = descriptor
                    return kind == fcntl.LOCK_EX
            os.close(descriptor)
            await asyncio.sleep(_LOOK)
        return False

    def share(self) -> None:
        """Let others use the file, too."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Stop using it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if _take(descriptor, fcntl.LOCK_EX):
            with suppress(OSError):
                self._lock.unlink()
        let_go(descriptor)
        os.close(descriptor)

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock.stat())
        except FileNotFoundError:
            return False  # the last who left removed it in this moment


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

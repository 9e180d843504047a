"""The folder for temporary files that a root and its processes share; the next root removes it after a kill."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from civitas.launch.hold import Hold, is_held

__all__ = ["RunFolder"]

_PREFIX = "civitas-run-"
_LOCK = "lock"
_A_WHILE = 10.0
"""Seconds."""


class RunFolder:
    """A folder that lives as long as a root and the processes it starts.

    Making one removes those of this user that killed roots left behind: those whose lock nobody holds.

    Attributes:
        path: Where it is.
        hold: Its lock, to be inherited by the processes that are started.
    """

    def __init__(self) -> None:
        import shutil
        import tempfile

        above = Path(tempfile.gettempdir())
        for each in above.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # it is somebody else's, or has just gone
                made = each.stat()
                if made.st_uid != os.getuid() or time.time() - made.st_mtime < _A_WHILE:
                    continue  # one that was made in this moment is not locked yet
                if not is_held(each / _LOCK):
                    shutil.rmtree(each, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.hold = Hold(self.path / _LOCK, "", alone=False)

    async def lock(self) -> None:
        """Keep others from removing it."""
        await self.hold.take()

    def remove(self) -> None:
        """Remove it, and all that is in it."""
        import shutil

        self.hold.release()
        shutil.rmtree(self.path, ignore_errors=True)

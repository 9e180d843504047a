"""The lock that says that a system runs, and which process it is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from civitas.errors import ConfigurationError
from civitas.launch import keep_from_children, let_go
from civitas.topology.state_folder import open_state_folder

__all__ = ["SystemLock", "holder", "lives"]


class SystemLock:
    """Makes this process the only one that runs a system; a context manager.

    The lock is free again as soon as this process is gone, however it ended.

    Args:
        name: Of the system.
        folder: Its state folder; made on entering.
        elected: Whether this process was elected to run the system: one that holds the lock all the same does not lead
            any more, and has not found that out yet.

    Raises:
        ConfigurationError: On entering: the system is already running, or the folder is somebody else's.
    """

    def __init__(self, name: str, folder: Path, *, elected: bool = False) -> None:
        self._name = name
        self._folder = folder
        self._elected = elected
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        open_state_folder(self._folder)
        lock: IO[str] = _file(self._folder).open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not self._elected:
                lock.seek(0)
                pid = lock.read().strip() or "unknown"
                lock.close()
                raise ConfigurationError(
                    f"system {self._name!r} is already running (process {pid}); stop it first"
                ) from error
            lock.close()
            lock = self._another()
        keep_from_children(lock.fileno())
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        return self

    def _another(self) -> IO[str]:
        """A lock in place of the one that is held, which is that of a file which nobody finds any more."""
        fresh = _file(self._folder).with_name(f"lock.{os.getpid()}")
        lock = fresh.open("w+")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.replace(_file(self._folder))
        return lock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.truncate(0)
            let_go(lock.fileno())
            lock.close()


def holder(folder: Path) -> int | None:
    """The process that runs the system of this state folder; None if none does."""
    try:
        with _file(folder).open() as lock:
            pid = int(lock.read() or 0)
            # Looked at first, as whoever tries the lock holds it for a moment, in which a new system would be refused.
            if not pid or not lives(pid):
                return None
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return pid
    except (OSError, ValueError):
        pass
    return None


def lives(pid: int) -> bool:
    """Whether there is a process `pid` on this machine."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _file(folder: Path) -> Path:
    return folder / "lock"

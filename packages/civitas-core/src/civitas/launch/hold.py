"""A lock that a root and the processes it starts hold together, so that the next root waits for all of them."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.launch.adopted import pid_space
from civitas.launch.descriptors import keep_from_children, let_go

__all__ = ["Hold", "holder_of", "inherit", "is_held"]

logger = logging.getLogger("civitas")

_SAY_AFTER = 5.0
"""Seconds after which the log says what it waits for."""
_GIVE_UP_AFTER = 60.0
"""Seconds for the processes of an earlier root to end. They do in 5 s, unless somebody stopped them."""
_LOOK = 0.02


class Hold:
    """A locked file.

    A lock of `flock` belongs to the open file, and processes that inherit it share the lock: it is free when the last
    of them has ended, however it ended. So while a process of a root that was killed still works, no other root begins
    to do the same work beside it.

    Args:
        file: What to lock; made if it is not there, and removed by `release`. If it cannot be made nothing is
            held.
        what: What is held, for errors.
        alone: Whether a system that runs and has it is an error; otherwise this one goes on without.
        make_folder: Makes the folder, which `release` removes again where nothing else is in it. Without, it is there.
    """

    def __init__(
        self,
        file: Path,
        what: str,
        *,
        alone: bool,
        make_folder: Callable[[], None] | None = None,
    ) -> None:
        self._file = file
        self._make_folder = make_folder
        self._what = what
        self._alone = alone
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int | None:
        """To be inherited by the processes that are started; None if nothing is held."""
        return self._descriptor

    async def take(self) -> None:
        """Lock it; wait for the processes of a root that is gone.

        Raises:
            ConfigurationError: A system that runs has it, or such processes do not end.
        """
        if self._make_folder is not None:
            with suppress(ConfigurationError):
                self._make_folder()
        began = time.monotonic()
        said = False
        while self._descriptor is None:
            try:
                descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError:
                return  # whatever else needs that folder says so better
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                root = os.pread(descriptor, 1000, 0).decode(errors="replace")
                os.close(descriptor)
                if _lives(root):
                    self._refuse(root)
                    return
            else:
                if self._is_there(descriptor):
                    self._keep(descriptor)
                    return
                os.close(descriptor)  # its holder removed it in this moment
                continue
            waited = time.monotonic() - began
            if waited > _GIVE_UP_AFTER:
                raise ConfigurationError(
                    self._whom_for(f"have not ended after {waited:.0f} s; end them")
                )
            if waited > _SAY_AFTER and not said:
                said = True
                logger.warning("%s", self._whom_for("are still at work; waiting for them to end"))
            await asyncio.sleep(_LOOK)

    def release(self) -> None:
        """Let it go, and remove the file; the processes that were started have ended."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):
            self._file.unlink()
            if self._make_folder is not None:
                self._file.parent.rmdir()
        let_go(descriptor)
        os.close(descriptor)

    def _keep(self, descriptor: int) -> None:
        keep_from_children(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{pid_space()}".encode(), 0)
        self._descriptor = descriptor

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._file.stat())
        except FileNotFoundError:
            return False

    def _refuse(self, root: str) -> None:
        if self._alone:
            pid = root.partition("\n")[0]
            raise ConfigurationError(f"{self._what} (process {pid}); stop it first")

    def _whom_for(self, what: str) -> str:
        pids = ", ".join(map(str, _holders(self._file)))
        return f"processes{pids and f' {pids}'} of an earlier run, whose root is gone, {what}"


def inherit(descriptors: list[int], console: int | None) -> None:
    """In a process that was started: hold what its root holds, and keep children of this process from doing so.

    Args:
        descriptors: What it holds.
        console: Where it writes to once its root is gone; None if it does not outlive that.
    """
    for each in descriptors:
        os.set_inheritable(each, False)
        keep_from_children(each)
    if console is not None:
        os.set_inheritable(console, False)


def is_held(file: Path) -> bool:
    """Whether a process holds a lock.

    Raises:
        FileNotFoundError: There is no such lock.
    """
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def holder_of(file: Path) -> tuple[str, int] | None:
    """The process that holds a lock, and the user whose file that is; None if nobody does.

    The process is an empty text where that user lets nobody look.
    """
    try:
        user = file.stat().st_uid
        try:
            return (file.read_text().partition("\n")[0], user) if is_held(file) else None
        except PermissionError:
            return "", user
    except OSError:
        return None


def _lives(root: str) -> bool:
    """Whether the root that wrote this runs; of another machine or container that cannot be told, so it does."""
    pid, _, space = root.partition("\n")
    if not pid.isdigit():
        return False  # it was killed before it had written
    if space != pid_space():
        return True
    try:
        os.kill(int(pid), 0)
        # One that was killed and that nobody has waited for is gone all the same.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True


def _holders(file: Path) -> list[int]:
    """The processes of this user that have a file open, where the system tells."""
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # it ended, or is somebody else's
            if any(each.samefile(file) for each in folder.iterdir()):
                found.append(int(folder.parent.name))
    return sorted(found)

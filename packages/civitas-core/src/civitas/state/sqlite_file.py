"""The file of an SQLite state store: where it may be, and who may read it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from civitas.errors import StateStoreError

__all__ = ["check_place", "make_ready"]

logger = logging.getLogger("civitas")


def make_ready(path: Path) -> None:
    """Check that there can be a database at `path`, and make the file if it is missing.

    Only its owner can read a new file, whatever the umask: conversations and prompts stand in it. SQLite gives
    the ``-wal`` and ``-shm`` files beside it the same mode. The mode of a file that is there is left as it is, and said
    where others may read it.

    Raises:
        StateStoreError: There cannot be one.
    """
    check_place(path)
    # Only one that is missing is opened here: to close a file drops the locks that this process has on it elsewhere.
    with suppress(OSError):  # SQLite tells what is wrong with it, in words that we know
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return
    if mode & 0o077:
        logger.warning(
            "the state store %s can be read by other users of this machine (mode %o), and it holds conversations; "
            "chmod 600 it and the -wal and -shm files beside it",
            path,
            mode,
        )


def check_place(path: Path) -> None:
    """Check that there can be a database at `path`, without opening anything.

    Raises:
        StateStoreError: There cannot be one.
    """
    # SQLite says "unable to open database file" to all of these.
    if path.is_dir():
        raise StateStoreError(
            f"cannot use the state store {path}: it is a folder. Name a file in it"
        )
    if path.exists() and not path.is_file():
        raise StateStoreError(
            f"cannot use the state store {path}: it is a device or a pipe. Give the path of a file"
        )
    if path.parent.is_file():
        raise StateStoreError(
            f"cannot use the state store {path}: {path.parent} is a file, not a folder. Give another path"
        )
    if not path.parent.is_dir():
        raise StateStoreError(
            f"cannot use the state store {path}: there is no folder {path.parent}. "
            f"Make it (mkdir -p {path.parent}), or give another path"
        )

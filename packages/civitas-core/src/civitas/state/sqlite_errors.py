"""What SQLite's errors mean for whoever runs the system, and how to fix them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from civitas.errors import StateStoreError

__all__ = ["explain", "is_busy", "is_conflict"]

_CURES = {
    "SQLITE_FULL": "the disk is full. Free some space; what was saved before is still there",
    "SQLITE_READONLY": "it cannot be written. Give this user write access to the file and to its folder",
    "SQLITE_PERM": "this user may not open it. Give it read and write access to the file and to its folder",
    "SQLITE_CANTOPEN": "it cannot be opened. Give this user read and write access to the file and to its folder",
    "SQLITE_NOTADB": "it is not an SQLite database, or is damaged; nothing in it was changed. "
    "Restore it from a backup, or move it away to start afresh",
    "SQLITE_CORRUPT": "the database is damaged; nothing more was written to it. "
    "Restore it from a backup, or save what `sqlite3 FILE .recover` still reads, and move it away",
    "SQLITE_IOERR": "the disk failed to read or write. Check the disk and the file system",
    "SQLITE_ERROR": "its content is not what Civitas wrote. Restore it from a backup, or move it away to start afresh",
    "SQLITE_TOOBIG": "the value is larger than SQLite can hold. Store it elsewhere, and keep a reference to it here",
}

# A disk that is full or away may be back in a moment.
_PASSING = ("SQLITE_FULL", "SQLITE_IOERR")


def is_busy(error: BaseException) -> bool:
    """Whether another connection was in the way, so that trying again helps."""
    name = getattr(error, "sqlite_errorname", None) or ""
    return isinstance(name, str) and name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_conflict(error: BaseException) -> bool:
    """Whether another revision is there than a batch expected."""
    return getattr(error, "sqlite_errorname", None) == "SQLITE_CONSTRAINT_TRIGGER"


def explain(path: Path, error: BaseException, key: str | None = None) -> StateStoreError:
    """Turn an error of SQLite into one that names the file and the cure."""
    if isinstance(error, StateStoreError):
        return error
    name = getattr(error, "sqlite_errorname", None) or ""
    cure = next((cure for code, cure in _CURES.items() if name.startswith(code)), None)
    detail = f"{error}" + (f" [{name}]" if name else "")
    about = f"{key!r} was not saved to" if key is not None else "cannot use"
    if cure is None and not isinstance(error, sqlite3.Error):
        detail = f"{type(error).__name__}: {detail}"
    return StateStoreError(
        f"{about} the state store {path}: {cure or 'SQLite refused'} ({detail})",
        key=key,
        transient=name.startswith(_PASSING),
    )

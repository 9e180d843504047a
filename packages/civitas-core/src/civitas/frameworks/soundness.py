"""Which exceptions say that the process is unsound, so that only a fresh incarnation helps."""

from __future__ import annotations

import errno
import re
import sys

__all__ = ["is_of_database", "is_unsound"]

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

# Python has no classes of their own for these: what the text of these very classes says.
_SAID: dict[type[BaseException], re.Pattern[str]] = {
    RuntimeError: re.compile(
        r"event loop is closed|cannot schedule new futures after|can't (start|create) new thread"
        r"|executor shutdown has been called|session is closed|client has been closed",
        re.IGNORECASE,
    ),
    # What SQLite's asyncio client says.
    ValueError: re.compile(r"no active connection|connection closed$", re.IGNORECASE),
}

# The classes of PEP 249, of its pools, and of those who wrap them.
_OF_DATABASES = (
    *("DatabaseError", "InterfaceError", "OperationalError", "ProgrammingError"),
    *("InvalidOperation", "PoolClosed", "PoolError", "ResourceClosedError"),
)
_CLOSED = re.compile(
    r"\b(connection|cursor|database|pool)\b.*\bclosed\b|\bclosed (the )?(connection|cursor|database|pool)\b"
    r"|after close|lost connection|gone away",
    re.IGNORECASE | re.DOTALL,
)
# Databases, pools and wrappers that do not declare PEP 249 themselves.
_DATABASES = frozenset(
    {"asyncpg", "django", "peewee", "psycopg_pool", "pymongo", "sqlalchemy", "tortoise"}
)


def is_of_database(kind: type[BaseException], *names: str) -> bool:
    """Whether `kind` is a class of one of these names that a database's client defines, and no class of the user.

    Clients are known by the `apilevel` that PEP 249 asks of a driver's module.
    """
    if kind.__name__ not in names:
        return False
    module, found = kind.__module__, False
    while module and not found:
        found = module in _DATABASES or hasattr(sys.modules.get(module), "apilevel")
        module = module.rpartition(".")[0]
    return found


def is_unsound(error: BaseException) -> bool:
    """Whether `error` says that memory, files or threads have run out, or that what the incarnation opened is closed.

    What it was raised from is not looked at.
    """
    if isinstance(error, (MemoryError, SystemError)):
        return True
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        return True
    # A subclass has a meaning of its own, and says so.
    said = _CLOSED if is_of_database(type(error), *_OF_DATABASES) else _SAID.get(type(error))
    return said is not None and said.search(str(error)) is not None

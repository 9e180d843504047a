"""An SQLite file that was just opened: whose it is, and what is brought up to this version in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from civitas.errors import StateStoreError
from civitas.state.sqlite_statements import (
    APPLICATION_ID,
    CHANGES,
    CREATE,
    MIGRATE,
    SCHEMA_VERSION,
    WHOSE,
)

__all__ = ["Query", "prepare"]

_PAGE = 2048
"""Bytes of a page of a new file. A change writes whole pages: with the 4 KiB that SQLite takes by itself, a turn of a
conversation costs a half more, and with 1 KiB a large value takes a half longer."""
_LOG = 4 * 1024 * 1024
"""Bytes of the log after which SQLite moves it into the file, whatever the size of a page."""

Query: TypeAlias = Callable[[str], Awaitable[list[Any]]]
"""Runs a statement on the connection, and returns its rows."""


async def prepare(
    path: Path, query: Query, patiently: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
) -> None:
    """Check whose file it is before anything in it is changed, then make it ready.

    Args:
        path: The file.
        query: A connection to it.
        patiently: Calls something until no other connection is in the way.

    Raises:
        StateStoreError: It is not one of ours, or a newer version's, or cannot be used.
    """
    # One statement, as another process may be making the file at this moment.
    application, version, tables = (await patiently(lambda: query(WHOSE)))[0]
    if application != APPLICATION_ID and (application or version or tables):
        raise StateStoreError(
            f"{path} is the database of another application and was left alone; "
            "give the state store a path of its own"
        )
    if version > SCHEMA_VERSION:
        raise StateStoreError(
            f"the state store {path} was written by a newer Civitas (schema {version}, this one knows "
            f"{SCHEMA_VERSION}) and was left alone. Upgrade civitas-core, or give another path"
        )
    if not tables:
        # It has no effect on a file that another process has just begun.
        await query(f"PRAGMA page_size = {_PAGE}")
    mode = (await patiently(lambda: query("PRAGMA journal_mode = WAL")))[0][0]
    if mode != "wal":
        raise StateStoreError(
            f"the file system of {path} cannot hold a write-ahead log (journal mode {mode!r}); "
            "put the file on a local disk"
        )
    await query("PRAGMA synchronous = FULL")
    page = (await patiently(lambda: query("PRAGMA page_size")))[0][0]
    await query(f"PRAGMA wal_autocheckpoint = {_LOG // page}")
    if version < SCHEMA_VERSION:
        await patiently(lambda: _bring_up(query))
    for statement in CHANGES:
        await query(statement)


async def _bring_up(query: Query) -> None:
    """Make the table, or bring that of an earlier version up to this one."""
    await query("BEGIN IMMEDIATE")
    try:
        version = (await query(WHOSE))[0][1]  # another process may have been quicker
        if version < SCHEMA_VERSION:
            for statement in MIGRATE if version else CREATE:
                await query(statement)
        await query("COMMIT")
    except BaseException:
        with suppress(Exception):  # SQLite has rolled back by itself
            await query("ROLLBACK")
        raise

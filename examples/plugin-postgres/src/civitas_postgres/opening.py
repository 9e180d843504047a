"""Makes the table of a state store, and looks at what the server's settings let it promise."""

from __future__ import annotations

import logging
from typing import LiteralString

from civitas import StateStoreError
from civitas_postgres.connections import Connection
from civitas_postgres.statements import Statements

__all__ = ["make_ready"]

logger = logging.getLogger("civitas_postgres")

_OID = "SELECT to_regclass(%s)::oid"
_LOCK = 0x63697669  # of ours, in the space that all applications of a database share


async def make_ready(connection: Connection, statements: Statements, where: str) -> None:
    """Make the table if it is missing, and check that the server can keep state.

    Raises:
        StateStoreError: The table is one that a crash of the server empties.
    """
    found = await _one(connection, _OID, statements.table)
    if found is None:
        async with connection.transaction():
            # Two that make the same table at once would both find that it is missing.
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            await connection.execute(statements.make)
        found = await _one(connection, _OID, statements.table)
    kind = await _one(connection, "SELECT relpersistence::text FROM pg_class WHERE oid = %s", found)
    if kind == "u":
        raise StateStoreError(
            f"{where}: its table is unlogged, and a crash of the server empties it. Say ALTER TABLE "
            f"{statements.table} SET LOGGED"
        )
    for setting, loss in (
        (
            "fsync",
            "what was acknowledged may be lost, and the database damaged, when its machine stops",
        ),
        ("synchronous_commit", "what was acknowledged in the last moments is lost when it stops"),
    ):
        if await _one(connection, "SELECT current_setting(%s)", setting) == "off":
            logger.warning("%s has %s off: %s. Set it to on", where, setting, loss)


async def _one(connection: Connection, statement: LiteralString, argument: object) -> object:
    cursor = await connection.execute(statement, [argument])
    row = await cursor.fetchone()
    return row[0] if row else None

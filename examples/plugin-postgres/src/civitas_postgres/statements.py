"""The statements of a state store, for the table that it was given."""

from __future__ import annotations

from typing import LiteralString

from psycopg.sql import SQL, Composed, Identifier

__all__ = ["Statements"]

# A revision says in its upper digits which store wrote, and in the lower 28 bits counts its writes. So a set that was
# on its way for long finds out that a later one of the same store has overtaken it, and does not undo that. Behind a
# deletion, which leaves no revision, it does not find out.
_UPDATE = SQL(
    "ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, value = excluded.value "
    "WHERE NOT (kept.revision >> 28 = excluded.revision >> 28 AND kept.revision > excluded.revision)"
)
# In order, so that two that write the same keys wait for each other rather than forever.
_MANY = SQL(
    "SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bytea[]) AS new (key, revision, value) "
    "ORDER BY key"
)


class Statements:
    """What is said to the server.

    Args:
        table: The name of the table, with its schema if it has one.

    Attributes:
        table: The name, as a statement has it.
    """

    def __init__(self, table: str) -> None:
        name = Identifier(*table.split("."))
        self.table = name.as_string()

        def of(text: LiteralString) -> Composed:
            return SQL(text).format(table=name, update=_UPDATE, many=_MANY)

        # Keys are bytes, as any text may be one: a NUL has no place in a text of PostgreSQL.
        self.make = of(
            "CREATE TABLE IF NOT EXISTS {table} "
            "(key bytea PRIMARY KEY, revision bigint NOT NULL, value bytea NOT NULL)"
        )
        self.get = of("SELECT value, revision FROM {table} WHERE key = %s")
        self.get_many = of("SELECT key, value FROM {table} WHERE key = ANY(%s::bytea[])")
        self.list = of("SELECT key FROM {table} WHERE key >= %s ORDER BY key")
        self.list_below = of("SELECT key FROM {table} WHERE key >= %s AND key < %s ORDER BY key")
        self.revision = of("SELECT revision FROM {table} WHERE key = %s")
        self.set = of(
            "INSERT INTO {table} AS kept (key, revision, value) VALUES (%s, %s, %s) {update}"
        )
        self.add = of(
            "INSERT INTO {table} (key, revision, value) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        )
        self.replace = of(
            "UPDATE {table} SET revision = %s, value = %s WHERE key = %s AND revision = %s"
        )
        self.delete = of("DELETE FROM {table} WHERE key = %s")
        self.lock = of(
            "SELECT key, revision FROM {table} WHERE key = ANY(%s::bytea[]) ORDER BY key FOR UPDATE"
        )
        self.set_many = of("INSERT INTO {table} AS kept (key, revision, value) {many} {update}")
        self.add_many = of("INSERT INTO {table} (key, revision, value) {many}")
        self.delete_many = of("DELETE FROM {table} WHERE key = ANY(%s::bytea[])")

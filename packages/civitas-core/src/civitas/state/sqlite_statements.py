"""What an SQLite state store says to SQLite."""

from __future__ import annotations

import sys
from functools import lru_cache

__all__ = [
    "APPLICATION_ID",
    "CHANGES",
    "CREATE",
    "MIGRATE",
    "SCHEMA_VERSION",
    "WHOSE",
    "behind",
    "change",
    "delete",
    "read",
    "revisions",
    "upsert",
]

SCHEMA_VERSION = 2
"""Written to the file as ``user_version``; a file with a newer one is left alone."""

# "CIVT": tells our file from the database of another application.
APPLICATION_ID = 0x43495654

# The revision is a number that no other write of the key ever had. What was written before there were revisions has 1.
_REVISION = "revision INTEGER NOT NULL DEFAULT 1"

CREATE = (
    f"CREATE TABLE IF NOT EXISTS civitas_state (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, {_REVISION})",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

MIGRATE = (
    f"ALTER TABLE civitas_state ADD COLUMN {_REVISION}",  # the rows that are there are not touched
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

WHOSE = """
SELECT (SELECT application_id FROM pragma_application_id),
       (SELECT user_version FROM pragma_user_version),
       (SELECT count(*) FROM sqlite_schema)
"""

# One INSERT into this view is a batch: it makes all of its changes or none, and is one visit to the connection's thread
# where a transaction of several statements would be many, between which other tasks would read what is not committed.
# It belongs to the connection and not to the file.
CHANGES = (
    "PRAGMA temp_store = MEMORY",
    """
CREATE TEMP VIEW civitas_change AS
SELECT key, value, revision, revision AS expected FROM main.civitas_state
""",
    """
CREATE TEMP TRIGGER civitas_changed INSTEAD OF INSERT ON civitas_change BEGIN
  SELECT RAISE(ABORT, 'another revision is there') WHERE NEW.expected IS NOT NULL
    AND NEW.expected IS NOT coalesce((SELECT revision FROM main.civitas_state WHERE key = NEW.key), 0);
  INSERT INTO civitas_state (key, value, revision)
    SELECT NEW.key, NEW.value, NEW.revision WHERE NEW.value IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision;
  DELETE FROM civitas_state WHERE key = NEW.key AND NEW.value IS NULL AND NEW.revision IS NOT NULL;
END
""",
)

# Question marks are all that is put into these.
# ruff: noqa: S608


@lru_cache(maxsize=256)
def upsert(rows: int) -> str:
    """Stores values: for each row key, value, revision."""
    marks = ",".join(["(?,?,?)"] * rows)
    return (
        f"INSERT INTO civitas_state (key, value, revision) VALUES {marks} "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision"
    )


def delete(rows: int) -> str:
    """Removes keys."""
    return f"DELETE FROM civitas_state WHERE key IN ({','.join('?' * rows)})"


@lru_cache(maxsize=256)
def change(rows: int) -> str:
    """Makes a batch: for each row key, value (NULL removes it), revision (NULL changes nothing), what is expected."""
    return f"INSERT INTO civitas_change VALUES {','.join(['(?,?,?,?)'] * rows)}"


def read(rows: int) -> str:
    """Reads keys and values."""
    return f"SELECT key, value FROM civitas_state WHERE key IN ({','.join('?' * rows)})"


def revisions(rows: int) -> str:
    """Reads keys and revisions."""
    return f"SELECT key, revision FROM civitas_state WHERE key IN ({','.join('?' * rows)})"


def behind(prefix: str) -> str | bytes:
    """What sorts right behind all that begins with `prefix`, so that only these are read."""
    for index in reversed(range(len(prefix))):
        code = ord(prefix[index]) + 1
        if code <= sys.maxunicode:
            return prefix[:index] + chr(0xE000 if code == 0xD800 else code)  # no surrogates
    return b""  # SQLite sorts bytes behind all text

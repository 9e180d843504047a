"""What the answers of a PostgreSQL server mean for whoever runs the system, and what to do."""

from __future__ import annotations

import psycopg

from civitas import StateStoreError

__all__ = ["explain"]

_BUSY = "another writer was in the way"
_READ_ONLY = (
    "it takes no writes. Name the primary in conninfo, or several hosts with "
    "target_session_attrs=read-write"
)
_RIGHTS = (
    "this user may not do that. Grant it select, insert, update and delete on the table, or create "
    "on the schema"
)
_NO_ROOM = (
    "it has no room for one more connection. Raise max_connections, or lower connections here"
)
_REMOVED = (
    "the table was removed while it was in use, and nothing is saved any more. Restore it from a "
    "backup, or start again without what was in it"
)
_CURES: dict[str, tuple[bool, str]] = {
    "08": (True, "the connection was lost. Start the server, or check the network"),
    "57": (True, "it is being stopped or started. It will be ready soon"),
    "40": (True, _BUSY),
    "23505": (True, _BUSY),
    "53100": (True, "its disk is full. Free some space; what was saved before is still there"),
    "53200": (True, "it is out of memory. Give it more"),
    "53300": (True, _NO_ROOM),
    "25006": (True, _READ_ONLY),
    "42501": (False, _RIGHTS),
    "42P01": (False, _REMOVED),
    "42703": (False, "the table has other columns. Give the state store a table of its own"),
    "3F000": (False, "there is no such schema. Make it: the store makes only the table"),
    "54000": (False, "the key is too long: the index takes about 2,700 bytes. Use a shorter one"),
}
"""For each SQLSTATE, or its first two characters, whether it may pass, and what to do."""

_REFUSED = {
    "authentication failed": "it does not let the state store in. Check user and password",
    "no password supplied": "it asks for a password. Give one in conninfo, in PGPASSWORD or in the file ~/.pgpass",
    "no pg_hba.conf entry": "it lets this user not in from here. Change its pg_hba.conf",
    "does not exist": "make the database and the user first",
    "permission denied for database": "grant this user the right to connect to the database",
}
"""What libpq says while it connects, in a text only."""


def explain(where: str, error: psycopg.Error | OSError, key: str | None = None) -> StateStoreError:
    """Turn what went wrong into an error that names the server and says what to do.

    Args:
        where: The store.
        error: What psycopg raised.
        key: What was not saved or read.
    """
    state = getattr(error, "sqlstate", None)
    about = "" if key is None else f"{key!r} could not be read or saved: "
    is_transient, cure = False, "the server refused"
    if state is not None:
        is_transient, cure = _CURES.get(state) or _CURES.get(state[:2]) or (is_transient, cure)
    elif isinstance(error, (psycopg.OperationalError, OSError)):
        is_transient, cure = (
            True,
            "it cannot be reached, or did not answer. Start it, or check conninfo and the network",
        )
        for text, what_to_do in _REFUSED.items():
            if text in str(error):
                is_transient, cure = False, what_to_do
    text = " ".join(str(error).split())
    return StateStoreError(
        f"{where}: {about}{cure} ({type(error).__name__}: {text})", key=key, transient=is_transient
    )

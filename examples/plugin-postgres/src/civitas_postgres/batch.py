"""Many changes in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from civitas import StateConflict
from civitas_postgres.connections import Connection
from civitas_postgres.statements import Statements

__all__ = ["Batch"]

_ABSENCE = 0x63697670  # the lock of those that rely on keys under which nothing is


class Batch:
    """Changes that are made together, or not at all.

    Args:
        statements: What is said to the server.
        changes: The new value of each key; None forgets it.
        expect: The revisions that must be there, 0 for nothing.
        revision: That of what is written.
    """

    def __init__(
        self,
        statements: Statements,
        changes: Mapping[str, bytes | None],
        expect: Mapping[str, int],
        revision: int,
    ) -> None:
        self.revision = revision
        self._statements = statements
        self._expect = expect
        self._changes = changes
        self._added = [
            key for key, raw in changes.items() if raw is not None and expect.get(key) == 0
        ]
        self._set = [
            key for key, raw in changes.items() if raw is not None and expect.get(key) != 0
        ]
        self._gone = [key for key, raw in changes.items() if raw is None]
        self._absent = [
            key for key, there in expect.items() if not there and changes.get(key) is None
        ]

    async def make(self, connection: Connection, again: bool) -> None:
        """Make them.

        Args:
            connection: The connection.
            again: Whether an earlier try may have been done after all.

        Raises:
            StateConflict: Something else is there than was expected; nothing was changed.
        """
        statements = self._statements
        async with connection.transaction():
            if self._absent:
                # A row that is not there cannot be locked: two that each add what the other one relies on to be absent
                # would both succeed.
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ABSENCE])
            found = await self._locked(connection)
            if again and self._is_done(found):
                return
            for key, expected in self._expect.items():
                if found.get(key, 0) != expected:
                    raise StateConflict(key, expected, found.get(key, 0))
            if self._added:
                await connection.execute(statements.add_many, self._rows(self._added))
            if self._set:
                await connection.execute(statements.set_many, self._rows(self._set))
            if self._gone:
                await connection.execute(statements.delete_many, [_names(self._gone)])
            if self._absent:
                # Last, as what was written meanwhile is seen only now.
                cursor = await connection.execute(statements.lock, [_names(self._absent)])
                for name, revision in await cursor.fetchall():
                    raise StateConflict(name.decode(), 0, revision)

    async def _locked(self, connection: Connection) -> dict[str, int]:
        keys = {*self._changes, *self._expect}
        cursor = await connection.execute(self._statements.lock, [_names(keys)])
        return {name.decode(): revision for name, revision in await cursor.fetchall()}

    def _is_done(self, found: Mapping[str, int]) -> bool:
        return all(
            found.get(key, 0) == (0 if raw is None else self.revision)
            for key, raw in self._changes.items()
        )

    def _rows(self, keys: list[str]) -> tuple[list[bytes], list[int], list[bytes | None]]:
        return _names(keys), [self.revision] * len(keys), [self._changes[key] for key in keys]


def _names(keys: Iterable[str]) -> list[bytes]:
    return [key.encode() for key in keys]

"""The connection of an SQLite state store, which its own thread shares with others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["SharedConnection"]


class SharedConnection(sqlite3.Connection):
    """One statement at a time, from whichever thread."""

    may_be_shared = sqlite3.threadsafety == 3
    """Whether SQLite was built for that; Apple's was not. Rows are read outside of the lock."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._in_use = threading.Lock()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement, once no other thread does."""
        with self._in_use:
            return super().execute(sql, parameters)

    def execute_at_once(self, sql: str, parameters: Any, may: Callable[[], bool]) -> bool:
        """Run a statement if no other thread does and `may` allows it then; whether it has."""
        if not self._in_use.acquire(blocking=False):
            return False
        try:
            if not may():
                return False
            super().execute(sql, parameters)
            return True
        finally:
            self._in_use.release()

    def close(self) -> None:
        """Close it, once no other thread runs a statement."""
        with self._in_use:
            super().close()

"""The built-in state stores, offered by the hook that plugins use."""

from __future__ import annotations

from typing import Any

from civitas.plugins import hookimpl
from civitas.state import InMemoryStateStore, SQLiteStateStore

__all__ = ["civitas_state_stores"]


@hookimpl
def civitas_state_stores() -> dict[str, Any]:
    """State stores that need nothing installed."""
    return {"memory": InMemoryStateStore, "sqlite": SQLiteStateStore}

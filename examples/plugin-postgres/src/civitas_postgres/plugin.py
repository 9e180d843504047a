"""What the entry point names."""

from __future__ import annotations

from typing import Any

import civitas


@civitas.hookimpl
def civitas_state_stores() -> dict[str, Any]:
    """Offer the store under the name `postgres`."""
    from civitas_postgres.store import PostgresStateStore

    return {"postgres": PostgresStateStore}

"""The store, held to what every state store promises, on the server that `POSTGRES_URL` names."""

from __future__ import annotations

import os
import uuid
from typing import ClassVar

import pytest
from civitas_postgres import PostgresStateStore

from civitas.testing import StateStoreSuite

URL = os.environ.get("POSTGRES_URL", "postgresql://127.0.0.1/test")


class TestPostgresStateStore(StateStoreSuite):
    """The suite, run on this store."""

    optional: ClassVar = {"keys", "close", "reopen", "revisions", "batches"}

    @pytest.fixture
    def table(self) -> str:
        """One of its own for each test, as all are in one database."""
        return f"test_{uuid.uuid4().hex}"

    @pytest.fixture
    def store(self, table: str) -> PostgresStateStore:
        """A fresh and empty store."""
        return PostgresStateStore(URL, table=table)

    async def reopen(self, store: PostgresStateStore) -> PostgresStateStore:
        """Another store on the same table."""
        return PostgresStateStore(URL, table=store.table)

"""The store, held to what every state store promises, on the server that `REDIS_URL` names."""

from __future__ import annotations

import os
import uuid
from typing import ClassVar

import pytest
from civitas_redis import RedisStateStore

from civitas.testing import StateStoreSuite

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


class TestRedisStateStore(StateStoreSuite):
    """The suite, run on this store."""

    optional: ClassVar = {"keys", "close", "reopen", "revisions", "batches"}

    @pytest.fixture
    def prefix(self) -> str:
        """One of its own for each test, as all are on one server."""
        return f"test-{uuid.uuid4().hex}:"

    @pytest.fixture
    def store(self, prefix: str) -> RedisStateStore:
        """A fresh and empty store."""
        return RedisStateStore(URL, prefix=prefix)

    async def reopen(self, store: RedisStateStore) -> RedisStateStore:
        """Another store on the same keys."""
        return RedisStateStore(URL, prefix=store.prefix)

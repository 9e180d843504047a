"""The built-in stores, held to what every state store promises."""

from __future__ import annotations

import pytest

from civitas.state import (
    InMemoryStateStore,
    NatsKVStateStore,
    RevisionedStore,
    SQLiteStateStore,
    StateStore,
)
from civitas.testing import StateStoreSuite


class TestInMemoryStateStore(StateStoreSuite):
    optional = {"keys", "close", "revisions", "batches"}

    @pytest.fixture
    def store(self):
        return InMemoryStateStore()


class TestSQLiteStateStore(StateStoreSuite):
    optional = {"keys", "close", "reopen", "revisions", "batches"}

    @pytest.fixture
    def store(self, tmp_path):
        return SQLiteStateStore(tmp_path / "state.db")

    async def reopen(self, store):
        return SQLiteStateStore(store.path)


class TestNatsKVStateStore(StateStoreSuite):
    optional = {"keys", "close", "reopen", "revisions"}

    @pytest.fixture
    def store(self, nats_server, bucket):
        return NatsKVStateStore(nats_server.url, bucket=bucket)

    async def reopen(self, store):
        return NatsKVStateStore(store.where, bucket=store.bucket)


@pytest.mark.promise(id="SEM-651")
def test_the_built_in_stores_satisfy_the_protocol(tmp_path):
    assert isinstance(InMemoryStateStore(), StateStore)
    assert isinstance(SQLiteStateStore(tmp_path / "state.db"), StateStore)


@pytest.mark.promise(id="SEM-1431")
def test_the_stores_with_revisions_satisfy_their_protocol():
    assert isinstance(InMemoryStateStore(), RevisionedStore)
    assert isinstance(NatsKVStateStore(bucket="state"), RevisionedStore)

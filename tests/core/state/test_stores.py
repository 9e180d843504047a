"""The built-in stores, held to what every state store promises."""

from __future__ import annotations

import pytest

from civitas.state import InMemoryStateStore, SQLiteStateStore, StateStore
from civitas.testing import StateStoreSuite


class TestInMemoryStateStore(StateStoreSuite):
    optional = {"keys", "close"}

    @pytest.fixture
    def store(self):
        return InMemoryStateStore()


class TestSQLiteStateStore(StateStoreSuite):
    optional = {"keys", "close", "reopen"}

    @pytest.fixture
    def store(self, tmp_path):
        return SQLiteStateStore(tmp_path / "state.db")

    async def reopen(self, store):
        return SQLiteStateStore(store.path)


@pytest.mark.promise(id="SEM-651")
def test_the_built_in_stores_satisfy_the_protocol(tmp_path):
    assert isinstance(InMemoryStateStore(), StateStore)
    assert isinstance(SQLiteStateStore(tmp_path / "state.db"), StateStore)

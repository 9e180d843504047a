"""The same with all state in buckets of a NATS server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from civitas import Runtime, Supervisor
from civitas.state import NatsKVStateStore
from civitas.testing import SuiteModel
from tests.core.state.conftest import with_jetstream
from tests.langgraph import test_suite as suite
from tests.nats_server import NatsServer

buckets = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[NatsServer]:
    server = with_jetstream(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.close()


class TestLangGraphAdapterOnNats(suite.TestLangGraphAdapter):
    @pytest.fixture
    def make_store(self, server):
        bucket = f"state-{next(buckets)}"
        return lambda: NatsKVStateStore(servers=server.url, bucket=bucket)


@pytest.mark.promise(id="SEM-1519")
async def test_what_is_kept_of_a_conversation_is_in_the_bucket(server):
    adapter = suite.TestLangGraphAdapter()
    agent = adapter.agent("a", adapter.subject(SuiteModel("an answer")), durable=True)
    store = NatsKVStateStore(servers=server.url, bucket="conversations")
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("a", adapter.payload("a question"), conversation="c")
    assert await store.keys("")
    await store.close()

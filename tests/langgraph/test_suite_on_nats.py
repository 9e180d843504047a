"""The same with all state in buckets of a NATS server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from civitas.state import NatsKVStateStore
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
    async def test_what_is_kept_of_a_conversation_is_in_the_bucket(self, run, model, make_store):
        store = make_store()
        assert await store.keys("") == []
        async with run(self.agent("a", self.subject(model("an answer")), durable=True)) as runtime:
            await runtime.ask("a", self.payload("a question"), conversation="c")
        assert await store.keys("")
        await store.close()

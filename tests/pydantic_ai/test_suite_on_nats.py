"""The same with all state in buckets of a NATS server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.state.conftest import with_jetstream
from tests.nats_server import NatsServer
from tests.pydantic_ai import test_suite as suite
from tests.suite_on_nats import OnNats, keep_a_conversation


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[NatsServer]:
    server = with_jetstream(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.close()


class TestPydanticAIOnNats(OnNats, suite.TestPydanticAI):
    pass


@pytest.mark.promise(id="SEM-1519")
async def test_what_is_kept_of_a_conversation_is_in_the_bucket(server):
    assert await keep_a_conversation(suite.TestPydanticAI(), server)

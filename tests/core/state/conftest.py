"""A NATS server with JetStream, which the tests of the stores share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import nats
import pytest

from civitas.state import NatsKVStateStore
from tests.nats_server import NatsServer

_buckets = itertools.count()


def with_jetstream(folder, more: str = "") -> NatsServer:
    return NatsServer(folder, f'jetstream: {{store_dir: "{folder}/js"}}\n{more}')


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory) -> Iterator[NatsServer]:
    server = with_jetstream(tmp_path_factory.mktemp("nats")).start()
    yield server
    server.close()


@pytest.fixture
def bucket() -> str:
    """A name of its own for each test, as all are on one server."""
    return f"state-{next(_buckets)}"


@pytest.fixture
async def make_store(nats_server, bucket):
    """Makes stores on one bucket, and closes them in the end."""
    made = []

    def make(url: str = nats_server.url, **keywords) -> NatsKVStateStore:
        made.append(NatsKVStateStore(url, **{"bucket": bucket, **keywords}))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def client(nats_server):
    """What another program would use."""
    client = await nats.connect(nats_server.url)
    yield client.jetstream()
    await client.close()


@pytest.fixture
def own_server(tmp_path):
    """A server that a test may stop and kill."""
    server = with_jetstream(tmp_path).start()
    yield server
    server.close()


async def stored(client, bucket) -> set[str]:
    """The subjects in a bucket, without its own."""
    info = await client.stream_info(f"KV_{bucket}", subjects_filter=">")
    return {subject.split(".", 2)[2] for subject in info.state.subjects or {}}

"""A NATS server with JetStream, which the tests of the stores share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

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

"""The suite of an adapter with all state in buckets of a NATS server: what the adapters have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from civitas import Runtime, Supervisor
from civitas.state import NatsKVStateStore
from civitas.testing import SuiteModel
from tests.nats_server import NatsServer

__all__ = ["OnNats", "keep_a_conversation"]

buckets = itertools.count()


class OnNats:
    """Mixed into a suite: a bucket for each store."""

    @pytest.fixture
    def make_store(self, server: NatsServer) -> Callable[[], NatsKVStateStore]:
        bucket = f"state-{next(buckets)}"
        return lambda: NatsKVStateStore(servers=server.url, bucket=bucket)


async def keep_a_conversation(adapter: Any, server: NatsServer) -> list[str]:
    """Let an agent of an adapter answer in a conversation; the keys that are in the bucket then."""
    agent = adapter.agent("a", adapter.subject(SuiteModel("an answer")), durable=True)
    store = NatsKVStateStore(servers=server.url, bucket="conversations")
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("a", adapter.payload("a question"), conversation="c")
    keys = await store.keys("")
    await store.close()
    return keys

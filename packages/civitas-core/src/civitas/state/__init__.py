"""State stores: where `checkpoint` puts an agent's state, and where it is found again after a crash."""

from __future__ import annotations

from civitas.state.in_memory import InMemoryStateStore
from civitas.state.long_record import LongRecord
from civitas.state.nats_kv import NatsKVStateStore
from civitas.state.retention import Retention
from civitas.state.sqlite import SQLiteStateStore
from civitas.state.store import BatchStore, RevisionedStore, StateStore
from civitas.state.store_calls import StoreCalls

__all__ = [
    "BatchStore",
    "InMemoryStateStore",
    "LongRecord",
    "NatsKVStateStore",
    "Retention",
    "RevisionedStore",
    "SQLiteStateStore",
    "StateStore",
    "StoreCalls",
]

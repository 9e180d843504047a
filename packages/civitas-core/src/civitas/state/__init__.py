"""State stores: where `checkpoint` puts an agent's state, and where it is found again after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.when_used import when_used

if TYPE_CHECKING:
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

if not TYPE_CHECKING:  # otherwise type checkers would believe in any name
    __getattr__, __dir__ = when_used(
        __name__,
        {
            "civitas.state.in_memory": ["InMemoryStateStore"],
            "civitas.state.long_record": ["LongRecord"],
            "civitas.state.nats_kv": ["NatsKVStateStore"],
            "civitas.state.retention": ["Retention"],
            "civitas.state.sqlite": ["SQLiteStateStore"],
            "civitas.state.store": ["BatchStore", "RevisionedStore", "StateStore"],
            "civitas.state.store_calls": ["StoreCalls"],
        },
    )

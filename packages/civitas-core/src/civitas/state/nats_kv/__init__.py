"""A state store in a bucket of a NATS server with JetStream."""

from __future__ import annotations

from civitas.state.nats_kv.kv_store import NatsKVStateStore

__all__ = ["NatsKVStateStore"]

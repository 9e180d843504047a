"""JetStream, by which a NATS server keeps messages: streams and consumers made whole, and what the server refuses."""

from __future__ import annotations

from civitas.brokers.nats.jetstream.limits import STREAM_KEYS, StreamLimits, limit_problems
from civitas.brokers.nats.jetstream.making import make_consumer, make_stream
from civitas.brokers.nats.jetstream.refusals import NatsRefusal, ServerAway
from civitas.brokers.nats.jetstream.server import ATTEMPT, JetStream, Purpose

__all__ = [
    "ATTEMPT",
    "STREAM_KEYS",
    "JetStream",
    "NatsRefusal",
    "Purpose",
    "ServerAway",
    "StreamLimits",
    "limit_problems",
    "make_consumer",
    "make_stream",
]

"""The transport over core NATS. Nats-py is imported when a transport is opened, and not before."""

from __future__ import annotations

from civitas.transport.nats.carrier import NatsCarrier
from civitas.transport.nats.transport import NatsTransport

__all__ = ["NatsCarrier", "NatsTransport"]

"""The transport over core NATS. Nats-py is imported when a transport is opened, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.when_used import when_used

if TYPE_CHECKING:
    from civitas.transport.nats.carrier import NatsCarrier
    from civitas.transport.nats.transport import NatsTransport

__all__ = ["NatsCarrier", "NatsTransport"]

if not TYPE_CHECKING:  # otherwise type checkers would believe in any name
    __getattr__, __dir__ = when_used(
        __name__,
        {
            "civitas.transport.nats.carrier": ["NatsCarrier"],
            "civitas.transport.nats.transport": ["NatsTransport"],
        },
    )

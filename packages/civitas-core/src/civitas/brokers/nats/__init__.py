"""A NATS server: how it is reached, and how names are written there. nats-py is imported when it is reached."""

from __future__ import annotations

from civitas.brokers.nats.names import subjects_of, system_of, token_of
from civitas.brokers.nats.options import OPTIONS, NatsOptions, option_problems

__all__ = ["OPTIONS", "NatsOptions", "option_problems", "subjects_of", "system_of", "token_of"]

"""What Civitas has to know of message brokers, whoever uses them: what carries, and what keeps state."""

from __future__ import annotations

__all__: list[str] = []

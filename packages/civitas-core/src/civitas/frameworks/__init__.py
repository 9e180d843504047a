"""What the adapters of agent frameworks share, and `wrap`, which finds the adapter for an object.

An adapter is a `FrameworkAgent` with one method, `run_framework`, and a plugin with one hook, `civitas_wrap`.
"""

from __future__ import annotations

from civitas.frameworks.base import FrameworkAgent, Interrupted
from civitas.frameworks.keywords import AgentKeywords
from civitas.frameworks.plain import plain
from civitas.frameworks.wrapping import comes_from, wrap

__all__ = [
    "AgentKeywords",
    "FrameworkAgent",
    "Interrupted",
    "comes_from",
    "plain",
    "wrap",
]

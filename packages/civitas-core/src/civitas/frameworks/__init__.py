"""What the adapters of agent frameworks share, and `wrap`, which finds the adapter for an object.

An adapter is a `FrameworkAgent` with one method, `run_framework`, and a plugin with one hook, `civitas_wrap`.
"""

from __future__ import annotations

from civitas.frameworks.base import FrameworkAgent
from civitas.frameworks.calls import AgentCall
from civitas.frameworks.keywords import AgentKeywords, FrameworkKeywords
from civitas.frameworks.outcomes import Outcome
from civitas.frameworks.plain import plain
from civitas.frameworks.remembering import newest_turns
from civitas.frameworks.run import Interrupted, Run, current_run, idempotency_key
from civitas.frameworks.runtime_tools import RuntimeTool, find_runtime_tools
from civitas.frameworks.shapes import Part, fingerprint, name_of
from civitas.frameworks.stuck import heartbeat
from civitas.frameworks.wrapping import comes_from, wrap
from civitas.process import Unfinished
from civitas.process.on_change import OnChange
from civitas.process.progress import Progress

__all__ = [
    "AgentCall",
    "AgentKeywords",
    "FrameworkAgent",
    "FrameworkKeywords",
    "Interrupted",
    "OnChange",
    "Outcome",
    "Part",
    "Progress",
    "Run",
    "RuntimeTool",
    "Unfinished",
    "comes_from",
    "current_run",
    "find_runtime_tools",
    "fingerprint",
    "heartbeat",
    "idempotency_key",
    "name_of",
    "newest_turns",
    "plain",
    "wrap",
]

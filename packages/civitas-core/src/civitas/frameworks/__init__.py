"""What the adapters of agent frameworks share, and `wrap`, which finds the adapter for an object.

An adapter is a `FrameworkAgent` with one method, `run_framework`, and a plugin with one hook, `civitas_wrap`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.when_used import when_used

if TYPE_CHECKING:
    from civitas.frameworks.base import FrameworkAgent
    from civitas.frameworks.calls import AgentCall
    from civitas.frameworks.defined_in import comes_from
    from civitas.frameworks.keywords import AgentKeywords, FrameworkKeywords
    from civitas.frameworks.outcomes import Outcome
    from civitas.frameworks.plain_data import plain
    from civitas.frameworks.remembering import newest_turns
    from civitas.frameworks.run import Interrupted, Run, current_run, idempotency_key
    from civitas.frameworks.runtime_tools import RuntimeTool, find_runtime_tools
    from civitas.frameworks.shapes import Part, fingerprint, name_of
    from civitas.frameworks.stuck import heartbeat
    from civitas.frameworks.wrapping import wrap
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

if not TYPE_CHECKING:  # otherwise type checkers would believe in any name
    __getattr__, __dir__ = when_used(
        __name__,
        {
            "civitas.frameworks.base": ["FrameworkAgent"],
            "civitas.frameworks.calls": ["AgentCall"],
            "civitas.frameworks.defined_in": ["comes_from"],
            "civitas.frameworks.keywords": ["AgentKeywords", "FrameworkKeywords"],
            "civitas.frameworks.outcomes": ["Outcome"],
            "civitas.frameworks.plain_data": ["plain"],
            "civitas.frameworks.remembering": ["newest_turns"],
            "civitas.frameworks.run": ["Interrupted", "Run", "current_run", "idempotency_key"],
            "civitas.frameworks.runtime_tools": ["RuntimeTool", "find_runtime_tools"],
            "civitas.frameworks.shapes": ["Part", "fingerprint", "name_of"],
            "civitas.frameworks.stuck": ["heartbeat"],
            "civitas.frameworks.wrapping": ["wrap"],
            "civitas.process": ["Unfinished"],
            "civitas.process.on_change": ["OnChange"],
            "civitas.process.progress": ["Progress"],
        },
    )

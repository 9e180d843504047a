"""What tells whether two processes have the same topology."""

from __future__ import annotations

import hashlib
import json

from civitas.topology.grammar import Topology

__all__ = ["digest_of"]

_MATTERS = ("supervision", "processes", "state", "model", "tools", "serializer")
"""The keys that say what runs in a process, and how."""


def digest_of(topology: Topology) -> str:
    """The same for two topologies whose processes host the same agents in the same way."""
    data = topology.source.data
    matters = {key: data[key] for key in _MATTERS if key in data}
    return hashlib.sha256(json.dumps(matters, sort_keys=True, default=str).encode()).hexdigest()

"""Agents of a system as agents of the Synadia Agent Protocol for NATS, version 0.3.

An agent with ``expose: true`` is found, prompted and streamed by any client of that protocol.
"""

from civitas.edge.nats_agents.exposed import ExposedAgents

__all__ = ["ExposedAgents"]

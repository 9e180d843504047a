"""What log records say of the agent whose code writes them."""

from __future__ import annotations

from typing import Any

from civitas.process import current_agent, current_message
from civitas.telemetry import names
from civitas.telemetry.logs import where_from

__all__ = ["logging_agent"]


def logging_agent() -> dict[str, Any]:
    """The agent whose code runs here, what it handles, and where; nothing outside of agents."""
    agent = current_agent.get(None)
    if agent is None:
        return {}
    found: dict[str, Any] = {names.AGENT_NAME: agent.name}
    if (node := agent._civitas_node) is not None:
        found[names.NODE_NAME] = node.name
    message = current_message.get(None)
    if message is None:
        return found
    if message.conversation is not None:
        found[names.CONVERSATION] = message.conversation
    found.update(where_from(message.headers))
    return found

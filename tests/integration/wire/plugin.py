"""A plugin that is a module: every OS process imports it."""

from __future__ import annotations

import civitas
from tests.integration.wire.agents import Hand
from tests.integration.wire.tools import add


@civitas.hookimpl
def civitas_agent_types() -> dict[str, object]:
    """An agent type."""
    return {"hand": Hand}


@civitas.hookimpl
def civitas_tool_providers() -> dict[str, object]:
    """A tool."""
    return {"adds": add}

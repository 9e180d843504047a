"""What the entry point names."""

from __future__ import annotations

from typing import Any

import civitas


@civitas.hookimpl
def civitas_agent_types() -> dict[str, Any]:
    """Offer the agent under the name `assistant`."""
    from civitas_assistant.agent import Assistant

    return {"assistant": Assistant}

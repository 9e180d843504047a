"""OpenAI Agents SDK agents as supervised Civitas agents.

The SDK is imported when `OpenAIAgent` is first used, not when this package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_openai.agent import OpenAIAgent

__all__ = ["OpenAIAgent"]


def __getattr__(name: str) -> Any:
    if name == "OpenAIAgent":
        from civitas_openai.agent import OpenAIAgent

        return OpenAIAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

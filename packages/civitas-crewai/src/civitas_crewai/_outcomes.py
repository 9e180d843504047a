"""What CrewAI's own exceptions mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crewai.tools.tool_failure import ToolExecutionFailedError

from civitas.frameworks import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTCOMES", "ends_badly"]

OUTCOMES: Mapping[str, Outcome] = {
    "crewai.a2a.*": Outcome.UNKNOWN,
    "crewai.agents.parser.OutputParserError": Outcome.ANSWER,
    "crewai.events.*": Outcome.UNKNOWN,
    "crewai.flow.*": Outcome.UNKNOWN,
    "crewai.flow.human_feedback.HumanFeedbackCollapseError": Outcome.ANSWER,
    "crewai.hooks.dispatch.HookAborted": Outcome.ANSWER,
    "crewai.llms.base_llm.LLMCallBlockedError": Outcome.ANSWER,
    "crewai.mcp.exceptions.MCPAuthenticationError": Outcome.ANSWER,
    "crewai.telemetry.*": Outcome.UNKNOWN,
    "crewai.tools.structured_tool.ToolUsageLimitExceededError": Outcome.ANSWER,
    "crewai.tools.tool_failure.ToolExecutionFailedError": Outcome.UNKNOWN,
    "crewai.tools.tool_usage.ToolUsageError": Outcome.ANSWER,
    "crewai.utilities.converter.ConverterError": Outcome.ANSWER,
    "crewai.utilities.errors.AgentRepositoryError": Outcome.ANSWER,
    "crewai.utilities.errors.DatabaseOperationError": Outcome.UNKNOWN,
    "crewai.utilities.exceptions.context_window_exceeding_exception.LLMContextLengthExceededError": Outcome.ANSWER,
}
"""By the full name of the class."""

# What a model does wrong with a tool; everything else is the tool's failure.
_BY_THE_MODEL = ("invalid_input", "repeated_call", "unknown_tool", "usage_limit")

# For these CrewAI has no class of their own, but a sentence.
_SENTENCES: dict[type[Exception], re.Pattern[str]] = {
    Exception: re.compile(r"Task failed guardrail.* validation after \d+ retries"),
    RuntimeError: re.compile(r"Agent execution ended without reaching a final answer"),
}


def ends_badly(error: Exception) -> bool:
    """Whether `error` is an answer by its text, since its class is used for many things."""
    if isinstance(error, ToolExecutionFailedError):
        return error.record.failure.reason in _BY_THE_MODEL
    sentence = _SENTENCES.get(type(error))
    return sentence is not None and sentence.match(str(error)) is not None

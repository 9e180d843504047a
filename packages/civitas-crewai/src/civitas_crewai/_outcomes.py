"""What CrewAI's own exceptions mean."""

from __future__ import annotations

import re

from crewai.agents.parser import OutputParserError
from crewai.hooks.dispatch import HookAborted
from crewai.llms.base_llm import LLMCallBlockedError
from crewai.tools.tool_failure import ToolExecutionFailedError
from crewai.utilities.converter import ConverterError
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)

from civitas.frameworks import Outcome

__all__ = ["outcome_of_crew"]

_ANSWERS = (
    ConverterError,
    HookAborted,
    LLMCallBlockedError,
    LLMContextLengthExceededError,
    OutputParserError,
)

# What a model does wrong with a tool; everything else is the tool's failure.
_BY_THE_MODEL = ("invalid_input", "repeated_call", "unknown_tool", "usage_limit")

# For these CrewAI has no class of their own, but a sentence.
_SENTENCES: dict[type[Exception], re.Pattern[str]] = {
    Exception: re.compile(r"Task failed guardrail.* validation after \d+ retries"),
    ValueError: re.compile(
        r"Agent's guardrail failed validation|Invalid response from LLM call - None or empty"
    ),
    RuntimeError: re.compile(r"Agent execution ended without reaching a final answer"),
    TimeoutError: re.compile(r"Task '.*' execution timed out after \d+ seconds", re.DOTALL),
}


def outcome_of_crew(error: Exception) -> Outcome | None:
    """What an exception of CrewAI's own means; None for any other."""
    if isinstance(error, _ANSWERS):
        return Outcome.ANSWER
    if isinstance(error, ToolExecutionFailedError):
        return Outcome.ANSWER if error.record.failure.reason in _BY_THE_MODEL else None
    sentence = _SENTENCES.get(type(error))
    if sentence is not None and sentence.match(str(error)):
        return Outcome.ANSWER
    return None

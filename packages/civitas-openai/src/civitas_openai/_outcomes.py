"""What the SDK's own exceptions mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.frameworks import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTCOMES"]

OUTCOMES: Mapping[str, Outcome] = {
    "agents.exceptions.AgentsException": Outcome.UNKNOWN,
    "agents.exceptions.InputGuardrailTripwireTriggered": Outcome.ANSWER,
    "agents.exceptions.MaxTurnsExceeded": Outcome.ANSWER,
    "agents.exceptions.MCPToolCancellationError": Outcome.UNKNOWN,
    "agents.exceptions.ModelBehaviorError": Outcome.ANSWER,
    "agents.exceptions.ModelRefusalError": Outcome.ANSWER,
    "agents.exceptions.ModelTimeoutError": Outcome.TRANSIENT,
    "agents.exceptions.OutputGuardrailTripwireTriggered": Outcome.ANSWER,
    "agents.exceptions.ToolInputGuardrailTripwireTriggered": Outcome.ANSWER,
    "agents.exceptions.ToolOutputGuardrailTripwireTriggered": Outcome.ANSWER,
    "agents.exceptions.ToolTimeoutError": Outcome.TRANSIENT,
    "agents.exceptions.UserError": Outcome.ANSWER,
    "agents.exceptions._RedactedExceptionCancellationError": Outcome.UNKNOWN,
    "agents._function_tool_arguments.*": Outcome.UNKNOWN,
    "agents.mcp.server.*": Outcome.UNKNOWN,
    "agents.models.openai_responses.ResponsesWebSocketError": Outcome.UNKNOWN,
    "agents.realtime.*": Outcome.UNKNOWN,
    "agents.run_internal.*": Outcome.UNKNOWN,
    "agents.sandbox.*": Outcome.UNKNOWN,
    "agents.testing.*": Outcome.UNKNOWN,
    "agents.tool._FunctionToolCancelledError": Outcome.UNKNOWN,
    "agents.voice.*": Outcome.UNKNOWN,
}
"""By the full name of the class, so that what a version does not have is not needed."""

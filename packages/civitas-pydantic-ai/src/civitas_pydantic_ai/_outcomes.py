"""What the exceptions of Pydantic AI mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.frameworks import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OUTCOMES"]

_IN_EXCEPTIONS: Mapping[str, Outcome] = {
    "AgentRunError": Outcome.UNKNOWN,
    # What code raises to steer a run, in a place where that cannot be done.
    "ApprovalRequired": Outcome.ANSWER,
    "CallDeferred": Outcome.ANSWER,
    "ConcurrencyLimitExceeded": Outcome.TRANSIENT,
    "FallbackExceptionGroup": Outcome.UNKNOWN,
    "ModelAPIError": Outcome.UNKNOWN,
    "ModelAuthenticationError": Outcome.ANSWER,
    "ModelConnectionError": Outcome.TRANSIENT,
    "ModelContextWindowExceededError": Outcome.ANSWER,
    "ModelNotFoundError": Outcome.ANSWER,
    "ModelOverloadedError": Outcome.TRANSIENT,
    "ModelQuotaExceededError": Outcome.ANSWER,
    "ModelRateLimitError": Outcome.TRANSIENT,
    "ModelRequestRejectedError": Outcome.ANSWER,
    "ModelRequestTimeout": Outcome.TRANSIENT,
    "ModelRetry": Outcome.ANSWER,
    "ModelServerError": Outcome.TRANSIENT,
    "ModelUnavailableError": Outcome.TRANSIENT,
    "RetryModelRequest": Outcome.ANSWER,
    "RunCancelled": Outcome.ANSWER,
    "RunTimedOut": Outcome.UNKNOWN,
    "SkipModelRequest": Outcome.ANSWER,
    "SkipToolExecution": Outcome.ANSWER,
    "SkipToolValidation": Outcome.ANSWER,
    "SuspendedResponseExpired": Outcome.ANSWER,
    "ToolFailed": Outcome.ANSWER,
    "ToolFailedError": Outcome.ANSWER,
    "ToolRetryError": Outcome.ANSWER,
    "UnexpectedModelBehavior": Outcome.ANSWER,
    "UsageLimitExceeded": Outcome.ANSWER,
    "UserError": Outcome.ANSWER,
}

OUTCOMES: Mapping[str, Outcome] = {
    **{f"pydantic_ai.exceptions.{name}": told for name, told in _IN_EXCEPTIONS.items()},
    "pydantic_ai._fallback.ResponseRejected": Outcome.ANSWER,
    "pydantic_ai._ssrf.*": Outcome.UNKNOWN,
    "pydantic_ai.capabilities.hooks.HookTimeoutError": Outcome.TRANSIENT,
    "pydantic_ai.external_events.ExternalEventError": Outcome.ANSWER,
    "pydantic_ai.models.decision.*": Outcome.UNKNOWN,
    "pydantic_ai.models.test.*": Outcome.UNKNOWN,
    "pydantic_ai.providers._oauth_provider.*": Outcome.UNKNOWN,
    "pydantic_ai.realtime.*": Outcome.UNKNOWN,
    "pydantic_ai.tool_manager.*": Outcome.UNKNOWN,
    "pydantic_ai.workspaces.protocol.WorkspaceError": Outcome.UNKNOWN,
    "pydantic_ai.workspaces.protocol.WorkspaceOutputLimitError": Outcome.ANSWER,
    "pydantic_ai.workspaces.protocol.WorkspaceReadOnlyError": Outcome.ANSWER,
    "pydantic_ai.workspaces.protocol.WorkspaceTimeoutError": Outcome.TRANSIENT,
    "pydantic_ai.workspaces.protocol.WorkspaceUnavailableError": Outcome.TRANSIENT,
    "pydantic_ai.workspaces.workspace.*": Outcome.UNKNOWN,
    "pydantic_graph.exceptions.GraphRuntimeError": Outcome.ANSWER,
    "pydantic_graph.exceptions.UnsupportedEventLoopError": Outcome.ANSWER,
}
"""By the full name of the class; an error with an HTTP status means what that says."""

"""What an agent decides about a message that it could not handle."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ErrorAction"]


class ErrorAction(StrEnum):
    """What `on_error` decides about a message whose handler raised."""

    RETRY = "retry"
    """Handle the same message again, in place; after `max_retries` times, escalate."""
    SKIP = "skip"
    """Give this message up and go on with the next; whoever asked gets `HandlerFailed`."""
    STOP = "stop"
    """End with reason `normal`: a permanent child is started again, a transient one is not."""
    ESCALATE = "escalate"
    """Let it crash: the supervisor decides. The default."""

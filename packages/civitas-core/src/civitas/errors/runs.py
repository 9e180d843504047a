"""A run of a framework that Civitas ended."""

from __future__ import annotations

from civitas.errors.base import CivitasError

__all__ = ["NoProgress"]


class NoProgress(CivitasError):
    """A run made no step, token or call for longer than the `progress_timeout` of its agent, and was cancelled.

    Whoever asked gets a `HandlerFailed` with this as its `error_type`, unless the message is delivered again.

    Attributes:
        agent: Name of the agent.
        limit: Its `progress_timeout`, in seconds.
        last: What the run did last, and when, in words.
    """

    def __init__(self, agent: str, limit: float, last: str) -> None:
        self.agent = agent
        self.limit = limit
        self.last = last
        super().__init__(
            f"the run of {agent!r} made no step, token or call for {limit:g} s (its progress_timeout) and was "
            f"cancelled; last, {last}. The traceback shows what it waited for; if that may take longer, "
            "raise progress_timeout"
        )

"""A run that Civitas ended, and a message that nobody handled."""

from __future__ import annotations

from civitas.errors.base import CivitasError

__all__ = ["NoProgress", "UnknownDeadLetter"]


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


class UnknownDeadLetter(CivitasError):
    """No dead letter has that number or that id: it was dropped, replayed, or pushed out by newer ones.

    Attributes:
        key: What was looked for.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"there is no dead letter {key!r}; list shows their numbers. It may have been replayed or dropped, or "
            "newer ones have taken its place"
        )

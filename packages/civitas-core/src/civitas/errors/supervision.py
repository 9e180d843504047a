"""Children that did not start, or cannot be kept up, and calls about them that were refused."""

from __future__ import annotations

from civitas.errors.base import CivitasError, ConfigurationError
from civitas.errors.delivery import NodeDown

__all__ = ["StartFailed", "SupervisionError", "SupervisorGaveUp"]


class SupervisorGaveUp(CivitasError):
    """A supervisor met more crashes than it may answer with restarts.

    Attributes:
        supervisor: Name of the supervisor.
        child: Name of the child whose crash was one too many.
        error: What that child died of, as text.
    """

    def __init__(self, supervisor: str, child: str, limit: str, error: str) -> None:
        self.supervisor = supervisor
        self.child = child
        self.error = error
        super().__init__(
            f"supervisor {supervisor!r} gave up: {child!r} crashed once more than {limit} allow. "
            f"Last error: {error}. Fix the cause, or raise max_restarts or restart_window"
        )


def _cure_of_start(cause: BaseException) -> str:
    """What to do about a child that did not start."""
    from civitas.hidden import hides

    return hides(cause) or "Fix its module, its constructor or its on_start"


class StartFailed(CivitasError):
    """A child did not start.

    Where a supervisor was starting its children, those before it were stopped again; where a topology was being built,
    nothing had started yet.

    Attributes:
        child: Name of the child.
        cause: The error that `on_start`, its constructor or its import raised.
        incident: What kept others from starting, too, such as the end of their OS process; a supervisor counts it
            once. Empty where it concerns this child alone.
    """

    def __init__(self, child: str, cause: BaseException) -> None:
        self.child = child
        self.cause = cause
        self.incident = ""
        if isinstance(cause, ConfigurationError | NodeDown):
            what = str(cause)  # it says what to do
        else:
            what = f"{type(cause).__name__}: {cause}. {_cure_of_start(cause)}"
        super().__init__(f"{child!r} did not start: {what}")


class SupervisionError(CivitasError):
    """A child administration call was refused; nothing was changed.

    Attributes:
        reason: `already_started`, `already_present`, `not_found`, `running`, `restarting` or
            `max_children`: OTP's words.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {explanation}")

"""What a supervisor tells about its children: events for the program, log records for people."""

from __future__ import annotations

import logging

from civitas.errors import StartFailed, SupervisorGaveUp
from civitas.process import ExitKind, ExitReason
from civitas.supervision.child import Child, Host
from civitas.telemetry import names
from civitas.telemetry.logs import ABOUT, trace_of
from civitas.telemetry.readable import MOST, ends_of, escaped

__all__ = ["Reporter"]

# Of their own, as the events say the same in short: whoever shows those may leave these out.
logger = logging.getLogger("civitas.supervision")


class Reporter:
    """Reports in the name of one supervisor; the log records have the four fields of OTP's supervisor reports.

    Args:
        supervisor: Its name.
        host: Where the events go.
    """

    def __init__(self, supervisor: str, host: Host) -> None:
        self._supervisor = supervisor
        self._host = host

    def started(self, child: Child) -> None:
        """A child runs for the first time."""
        self._host.event("started", child.name, "", f"{child.name} runs")

    def restarted(self, child: Child, cause: ExitReason | None) -> None:
        """A child runs again."""
        reason = cause.kind if cause is not None else ""
        self._host.event("restarted", child.name, reason, f"{child.name} is back", cause)

    def crashed(self, child: Child, reason: ExitReason) -> None:
        """A child ended as it should not have."""
        failure = reason.failure
        text = str(failure or reason)
        if len(text) > MOST:  # asked here, as each call counts in a crash
            text = ends_of(text)
        self._host.event("crashed", child.name, reason.kind, text, reason)
        if logger.isEnabledFor(logging.ERROR):  # the text of a traceback is dear
            trace = ""
            if failure is not None:
                text, trace = f"{reason.kind}: {text}", f"\n{failure.trace}"
                if len(trace) > MOST:
                    trace = ends_of(trace)
            trace_ids = trace_of(reason.headers) if reason.headers else {}
            token = ABOUT.set({names.AGENT_NAME: child.name, **trace_ids})
            self._log("child_terminated", text, child.name, trace)
            ABOUT.reset(token)

    def terminated(self, child: Child, reason: ExitReason) -> None:
        """A child ended and is not started again."""
        text = ends_of(f"{child.name} ended: {reason}")
        self._host.event("terminated", child.name, reason.kind, text)

    def start_failed(self, error: StartFailed) -> None:
        """The supervisor itself could not start, because of a child."""
        text = ends_of(f"{type(error.cause).__name__}: {error.cause}")
        self._log("start_error", text, error.child)

    def gave_up(self, error: SupervisorGaveUp, cause: ExitReason) -> None:
        """The supervisor ran out of restarts."""
        text = ends_of(str(error))
        self._host.event("gave_up", self._supervisor, ExitKind.SHUTDOWN, text, cause)
        self._log("shutdown", text, error.child)

    def _log(self, context: str, reason: str, offender: str, trace: str = "") -> None:
        # A conversation is anybody's text, and so may be what an error says: neither begins a line of its own.
        what = f"errorContext={context} offender={offender} reason={reason}"
        logger.error("supervisor=%s %s%s", self._supervisor, escaped(what), trace)

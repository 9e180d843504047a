"""What happens in a node, as OpenTelemetry span events and metrics."""

from __future__ import annotations

from civitas.events import DeadLetterReason, EventType
from civitas.message import Message
from civitas.node.dead.letters import subject_of
from civitas.process import ExitReason
from civitas.telemetry import names
from civitas.telemetry.tracing import Tracing

__all__ = ["Observer"]

_EVENTS = {
    "crashed": names.EVENT_CRASH,
    "restarted": names.EVENT_RESTART,
    "gave_up": names.EVENT_GAVE_UP,
}


class Observer:
    """Puts crashes, restarts, give-ups and dead letters into the trace of their message, and counts them."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def event(self, type: EventType, name: str, reason: str, cause: ExitReason | None) -> None:
        """Record a crash, a restart or a give-up; other events leave no trace."""
        event = _EVENTS.get(type)
        if event is None:
            return
        failure = cause.failure if cause is not None else None
        error_type = failure.error_type if failure is not None else reason
        metrics = self._tracing.metrics
        if metrics.active:
            match type:
                case "crashed":
                    metrics.crashed(name, error_type)
                case "restarted":
                    metrics.restarted(name)
                case "gave_up":
                    metrics.gave_up(name)
        # The crash itself is an event of the span it happened in.
        if type != "crashed" and self._tracing.active and cause is not None and cause.headers:
            attributes = {names.AGENT_NAME: name, names.EXIT_REASON: reason}
            if failure is not None:
                attributes[names.ERROR_TYPE] = error_type
            since = cause.at if type == "restarted" else None
            self._tracing.event(cause.headers, event, attributes, since=since)

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> None:
        """Record a message that nobody will handle."""
        if self._tracing.metrics.active:
            self._tracing.metrics.dead_letter(subject_of(message), str(reason))
        if self._tracing.active and message.headers:
            attributes = {
                names.DESTINATION: subject_of(message),
                names.DEAD_LETTER_REASON: str(reason),
            }
            self._tracing.event(message.headers, names.EVENT_DEAD_LETTER, attributes)

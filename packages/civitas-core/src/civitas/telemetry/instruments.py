"""The instruments: what is counted and measured, in which unit, with which buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from civitas.telemetry import names

__all__ = ["INSTRUMENTS", "Gauges", "Instrument", "Point"]

Point = tuple[float, Mapping[str, Any]]
"""The value of a gauge, and its attributes."""

Gauges = Mapping[str, Callable[[], Iterable[Point]]]
"""By its name, what gives the points of a gauge; called in any thread."""

_CALL = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_AGENT = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
_WORKFLOW = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_TOKENS = tuple(4**power for power in range(14))

# Seconds; a handler takes from microseconds to the minutes of a long model run.
_HANDLING = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is counted or measured.

    Attributes:
        kind: A counter adds up, a histogram measures, a gauge is looked at when somebody exports.
        unit: As UCUM writes it.
        description: In words.
        buckets: Upper bounds, of a histogram.
    """

    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    description: str
    buckets: Iterable[float] = ()


def _tokens(what: str) -> Instrument:
    return Instrument("counter", "{token}", f"Tokens that models {what}.")


INSTRUMENTS: Mapping[str, Instrument] = {
    **dict.fromkeys(
        (names.INFERENCE_DURATION, names.OPERATION_DURATION),
        Instrument("histogram", "s", "Seconds that a call of a model took.", _CALL),
    ),
    names.TOKEN_USAGE: Instrument(
        "histogram", "{token}", "Tokens that one call of a model read or wrote.", _TOKENS
    ),
    names.INPUT_TOKENS_USED: _tokens("read, cached ones among them"),
    names.OUTPUT_TOKENS_USED: _tokens("wrote, those for reasoning among them"),
    names.CACHE_READ_TOKENS_USED: _tokens("read from their provider's cache"),
    names.CACHE_WRITE_TOKENS_USED: _tokens("read and put into their provider's cache"),
    names.REASONING_TOKENS_USED: _tokens("wrote for reasoning"),
    names.TOOL_DURATION: Instrument("histogram", "s", "Seconds that a call of a tool took.", _CALL),
    names.AGENT_DURATION: Instrument(
        "histogram", "s", "Seconds that a run of an agent, a graph or a crew took.", _AGENT
    ),
    names.WORKFLOW_DURATION: Instrument(
        "histogram", "s", "Seconds that a run of a graph or a crew took.", _WORKFLOW
    ),
    names.PROCESSED: Instrument("counter", "{message}", "Messages whose handler ended."),
    names.PROCESS_DURATION: Instrument("histogram", "s", "Seconds that a handler took.", _HANDLING),
    names.MAILBOX_WAIT: Instrument(
        "histogram",
        "s",
        "Seconds from the sending of a message until its handler began.",
        _HANDLING,
    ),
    names.MAILBOX_DEPTH: Instrument("gauge", "{message}", "Messages that wait in a mailbox."),
    names.ASKS_IN_FLIGHT: Instrument("gauge", "{ask}", "Asks that wait for their answer."),
    names.REDELIVERIES: Instrument(
        "counter", "{message}", "Messages that were begun before, and were given to an agent again."
    ),
    names.RUNS: Instrument("counter", "{run}", "Runs of frameworks that ended, by how."),
    names.RUNS_KEPT: Instrument(
        "gauge", "{run}", "Runs of durable agents that are kept, by their status."
    ),
    names.CRASHES: Instrument("counter", "{crash}", "Agents that crashed."),
    names.RESTARTS: Instrument("counter", "{restart}", "Agents started again."),
    names.GAVE_UPS: Instrument("counter", "{give_up}", "Supervisors that ran out of restarts."),
    names.DEAD_LETTERS: Instrument(
        "counter", "{message}", "Messages that nobody will handle, by reason."
    ),
    names.NODE_STATE: Instrument(
        "gauge", "{node}", "1 for the state that an OS process is in, 0 for the others."
    ),
    names.LOOP_BLOCKED: Instrument(
        "counter", "{block}", "Times that a handler blocked its event loop for more than 100 ms."
    ),
    names.LOOP_LAG: Instrument(
        "histogram", "s", "Seconds that an event loop came late to what was due.", _LAG
    ),
}

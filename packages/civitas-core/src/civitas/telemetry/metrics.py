"""Counters, histograms and gauges through the OpenTelemetry metrics API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from civitas.telemetry import names
from civitas.telemetry.instruments import INSTRUMENTS, Point
from civitas.telemetry.joining import meter_provider

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from civitas.telemetry.handing import Figures

__all__ = ["Metrics", "Takes"]

_USED = (
    (names.INPUT_TOKENS, names.INPUT_TOKENS_USED),
    (names.OUTPUT_TOKENS, names.OUTPUT_TOKENS_USED),
    (names.CACHE_READ_TOKENS, names.CACHE_READ_TOKENS_USED),
    (names.CACHE_WRITE_TOKENS, names.CACHE_WRITE_TOKENS_USED),
    (names.REASONING_TOKENS, names.REASONING_TOKENS_USED),
)
_TYPES = ((names.INPUT_TOKENS, "input"), (names.OUTPUT_TOKENS, "output"))
_MODEL = (names.GEN_AI_OPERATION, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
_TOOL = (names.TOOL_NAME, names.TOOL_TYPE, names.AGENT_NAME)
_RUN = (names.GEN_AI_OPERATION, names.AGENT_NAME)
_DURATIONS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "chat": ((names.INFERENCE_DURATION, _MODEL), (names.OPERATION_DURATION, _MODEL)),
    "execute_tool": ((names.TOOL_DURATION, _TOOL),),
    "invoke_agent": ((names.AGENT_DURATION, _RUN),),
    "invoke_workflow": (
        (names.AGENT_DURATION, _RUN),
        (names.WORKFLOW_DURATION, (names.WORKFLOW_NAME,)),
    ),
}
"""By operation: what measures it, and by which of its attributes."""


class Takes(Protocol):
    """Where figures go."""

    def take(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Count or measure."""


class Metrics:
    """The metrics of one runtime; look at `active` before calling.

    Attributes:
        active: Whether anybody wants them: a meter provider is installed, or the root of the system has one; as of the
            last `refresh`.
        gauges: What is looked at when somebody exports.
        looks: Whether it may be looked at now.
    """

    __slots__ = (
        "__weakref__",
        "_elsewhere",
        "_exported",
        "_takes",
        "active",
        "gauges",
        "handed",
        "looks",
        "provider",
        "scraped",
    )

    def __init__(self) -> None:
        self.active = False
        self.provider: MeterProvider | None = None
        self.gauges: dict[str, Callable[[], Iterable[Point]]] = {}
        self.looks = False
        self.handed: Takes | None = None
        """Where figures go while this process has no meter provider; None for nowhere."""
        self.scraped: Takes | None = None
        """Where they go beside that, for whoever scrapes; None as long as nobody has."""
        self._takes: Takes | None = None
        self._elsewhere: dict[str, dict[str, list[Point]]] = {}
        self._exported: dict[str, dict[str, list[Point]]] = {}

    def refresh(self) -> None:
        """Look again for the application's meter provider."""
        self.provider = provider = meter_provider()
        if provider is None:
            self._takes = self.handed
        else:
            from civitas.telemetry.meters import meters_of

            self._takes = meters = meters_of(provider)
            if meters is not None:
                meters.observed.add(self)
        self.active = self._takes is not None or self.scraped is not None

    def gauge(self, name: str, *, exported: bool = False) -> Iterable[Point]:
        """The points of a gauge, here and in the processes that handed theirs over.

        Args:
            name: Of the gauge.
            exported: Whether those are wanted, too, which another process exports itself.
        """
        if not self.looks:
            return []
        look = self.gauges.get(name)
        points = list(look()) if look is not None else []
        others = [*self._elsewhere.values(), *(self._exported.values() if exported else ())]
        for there in others:
            points += there.get(name, ())
        return points

    # Of other OS processes.

    def took(self, node: str, figures: Figures, *, exported: bool = False) -> None:
        """Take what the process `node` counted and measured; gauges stand until the next ones.

        Args:
            node: Its name.
            figures: What it has handed over.
            exported: Whether it exports that itself, so that it is for whoever scrapes alone.
        """
        take = self.take
        if exported:
            if self.scraped is None:
                return
            take = self.scraped.take
        gauges: dict[str, list[Point]] = {}
        for name, attributes, amounts in figures:
            what = INSTRUMENTS.get(name)
            if what is None:
                continue  # of a newer version
            for amount in amounts:
                if what.kind == "gauge":
                    gauges.setdefault(name, []).append((amount, attributes))
                else:
                    take(name, amount, attributes)
        if gauges:
            self.lost(node)
            (self._exported if exported else self._elsewhere)[node] = gauges

    def lost(self, node: str) -> None:
        """The process `node` is gone: what its gauges said holds no longer."""
        self._elsewhere.pop(node, None)
        self._exported.pop(node, None)

    # Only while `active`.

    def take(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Count or measure something by its name."""
        if self._takes is not None:
            self._takes.take(name, amount, attributes)
        if self.scraped is not None:
            self.scraped.take(name, amount, attributes)

    def waited(self, agent: str, seconds: float, *, again: bool) -> None:
        """A handler begins with a message that was sent `seconds` ago, `again` if it was begun before."""
        attributes = {names.DESTINATION: _kind(agent)}
        self.take(names.MAILBOX_WAIT, max(seconds, 0.0), attributes)
        if again:
            self.take(names.REDELIVERIES, 1, attributes)

    def processed(self, agent: str, seconds: float, error_type: str | None = None) -> None:
        """Count a message whose handler ended, `error_type` being the class name of what it raised."""
        attributes: dict[str, Any] = {
            names.MESSAGING_SYSTEM: names.SYSTEM,
            names.OPERATION_NAME: "process",
            names.DESTINATION: _kind(agent),
        }
        if error_type is not None:
            attributes[names.ERROR_TYPE] = error_type
        self.take(names.PROCESSED, 1, attributes)
        self.take(names.PROCESS_DURATION, seconds, attributes)

    def operation(
        self, attributes: Mapping[str, Any], seconds: float, error_type: str | None
    ) -> None:
        """Measure a call of a model or of a tool, or a run, by the attributes of its span."""
        kind = attributes.get(names.GEN_AI_OPERATION, "")
        failed = {} if error_type is None else {names.ERROR_TYPE: error_type}
        for duration, words in _DURATIONS.get(kind, ()):
            self.take(duration, seconds, _about(attributes, words) | failed)
        if kind == "chat":
            about = _about(attributes, _MODEL)
            for word, type in _TYPES:
                if (tokens := attributes.get(word)) is not None:
                    self.take(names.TOKEN_USAGE, tokens, {**about, names.TOKEN_TYPE: type})
            about[names.TOKEN_MODALITY] = "unknown"
            for word, counter in _USED:
                if tokens := attributes.get(word):
                    self.take(counter, tokens, about)

    def run_ended(self, agent: str, status: str) -> None:
        """Count a run of a framework: `done`, `interrupted`, `failed`, `stuck` or `cancelled`."""
        self.take(names.RUNS, 1, {names.AGENT_NAME: _kind(agent), names.RUN_STATUS: status})

    def crashed(self, agent: str, error_type: str) -> None:
        """Count a crash."""
        self.take(names.CRASHES, 1, {names.AGENT_NAME: _kind(agent), names.ERROR_TYPE: error_type})

    def restarted(self, agent: str) -> None:
        """Count a restart."""
        self.take(names.RESTARTS, 1, {names.AGENT_NAME: _kind(agent)})

    def gave_up(self, supervisor: str) -> None:
        """Count a supervisor that ran out of restarts."""
        self.take(names.GAVE_UPS, 1, {names.AGENT_NAME: supervisor})

    def dead_letter(self, agent: str, reason: str) -> None:
        """Count a message that nobody will handle."""
        attributes = {names.DESTINATION: _kind(agent), names.DEAD_LETTER_REASON: reason}
        self.take(names.DEAD_LETTERS, 1, attributes)

    def blocked(self, agent: str, node: str) -> None:
        """Count a handler that blocked the event loop of its process."""
        self.take(names.LOOP_BLOCKED, 1, {names.AGENT_NAME: _kind(agent), names.NODE_NAME: node})

    def lagged(self, node: str, seconds: float) -> None:
        """The event loop of a process came so many seconds late to what was due."""
        self.take(names.LOOP_LAG, seconds, {names.NODE_NAME: node})


def _about(attributes: Mapping[str, Any], words: Iterable[str]) -> dict[str, Any]:
    """Those attributes; of an agent that is a conversation of a pool, the name of the pool."""
    about = {word: attributes[word] for word in words if word in attributes}
    if (pool := attributes.get(names.POOL)) is not None:
        for word in (names.AGENT_NAME, names.WORKFLOW_NAME):
            # An agent of a framework's own, below, may have a slash in its name.
            if str(about.get(word)).startswith(f"{pool}/"):
                about[word] = pool
    return about


def _kind(agent: str) -> str:
    """The name of the pool for a conversation: there are as many of those as there are users."""
    return agent.partition("/")[0]

"""Calls that had begun, and of whose results nothing is known: what is said of them, and what is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from civitas.errors import ConfigurationError, PayloadError
from civitas.message import decode, encode
from civitas.message.envelope import shown

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = [
    "Ambiguity",
    "AmbiguousCall",
    "CallNote",
    "CallProbe",
    "Happened",
    "NobodyKnows",
    "call_of",
    "check_probes",
    "happened",
    "read_happened",
]

_TAKES = 'an answer must be {"happened": True, "result": what it returned} or {"happened": False}'


@dataclass(frozen=True, slots=True)
class Happened:
    """What a probe returns if the call was made, or the step done.

    Attributes:
        result: What it returned: the run goes on with that.
    """

    result: Any = None


@dataclass(frozen=True, slots=True)
class AmbiguousCall:
    """A call that had begun, and of whose result nothing is known; what a probe is given.

    Attributes:
        agent: Name of the agent whose call it is.
        run: Name of the run it belongs to.
        call: Names it within the run.
        kind: `tool`, `model`, `node`, `task` or `step`.
        name: Of the tool, the model, the node, the task or the step.
        arguments: What it was called with, as plain data; None if nobody noted that.
        idempotency_key: The one that the call had, and has when it is made again.
        since: Unix seconds when it began.
    """

    agent: str
    run: str
    call: str
    kind: str
    name: str
    arguments: Any
    idempotency_key: str
    since: float

    def _question(self) -> dict[str, Any]:
        """What a human is asked about it."""
        value = {
            "agent": self.agent,
            "run": self.run,
            "call": self.call,
            "kind": self.kind,
            self.kind: self.name,
            "arguments": self.arguments,
            "idempotency_key": self.idempotency_key,
            "since": self.since,
        }
        return {"id": self.idempotency_key, "value": value}


CallProbe: TypeAlias = Callable[[AmbiguousCall], Any]
"""What says whether a call was made, sync or async: it returns `Happened`, or None if it was not."""


@dataclass(frozen=True, slots=True)
class CallNote:
    """What is noted of a call before it begins.

    Attributes:
        kind: `tool`, `model`, `node`, `task` or `step`.
        name: Of the tool, the model, the node, the task or the step.
        arguments: What it is called with.
        asks: The agent that it asks, and nothing else.
        idempotency_key: Its own; by default that of a step.
    """

    kind: str
    name: str
    arguments: Any = None
    asks: str = ""
    idempotency_key: str = ""

    def plain(self, since: float, *, late: bool) -> dict[str, Any]:
        """As it is kept.

        Args:
            since: Unix seconds when it begins.
            late: Whether nobody is asked before the handler comes to it.
        """
        try:
            arguments = decode(encode(self.arguments))
        except PayloadError:
            arguments = str(self.arguments)
        told = {"kind": self.kind, "name": self.name, "arguments": arguments, "since": since}
        return {**told, "asks": self.asks, "key": self.idempotency_key, "late": late}


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """What an agent does about calls of whose results nothing is known.

    Attributes:
        asks: Whether a human is asked; otherwise they are made again.
        probes: What is asked first, by the name of the tool, the model, the node or the task.
        recorded: From a result that a probe or a human tells, to what is recorded of the call; raises `ValueError`
            if it cannot be one.
    """

    asks: bool
    probes: Mapping[str, CallProbe] = field(default_factory=dict)
    recorded: Callable[[AmbiguousCall, Any], Any] = lambda call, result: result

    def notes(self, note: CallNote) -> bool:
        """Whether it is noted that such a call begins."""
        return self.asks or note.name in self.probes


class NobodyKnows(BaseException):
    """In a handler: nobody here can say what became of calls that are noted as late; probes and a human are asked.

    No `Exception`, as the handler cannot know either.
    """


def check_probes(who: str, probes: object, *, named: bool = False) -> None:
    """Raise `ConfigurationError` unless `probes` are functions by name, or texts that name one if they are `named`."""
    if not isinstance(probes, Mapping):
        raise ConfigurationError(
            f"{who}: probes must be a dict from the name of a tool to a function; got {shown(probes)}"
        )
    for name, probe in probes.items():
        if not isinstance(name, str) or not (callable(probe) or (named and isinstance(probe, str))):
            raise ConfigurationError(
                f"{who}: probes[{shown(name)}] must be a function of one argument, the AmbiguousCall; "
                f"got {shown(probe)}"
            )


def happened(found: object, what: str) -> Happened | None:
    """What a probe returned.

    Raises:
        ConfigurationError: It is neither `Happened` nor None.
    """
    if found is None or isinstance(found, Happened):
        return found
    raise ConfigurationError(
        f"the probe of {what} returned {shown(found)}. Return civitas.Happened(result) if it was done, or None if it "
        "was not; it is not done again before that is known"
    )


def read_happened(
    answer: object, path: str, refuse: Callable[[str, str], NoReturn]
) -> Happened | None:
    """What a human says of a call.

    Args:
        answer: The answer.
        path: Where it is in the payload.
        refuse: Refuses it; the question stays open.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("happened"), bool):
        refuse(path, f"{_TAKES}; got {shown(answer)}")
    took_place = answer["happened"]
    for key in answer:
        if key not in ("happened", "result"):
            refuse(f"{path}.{key}", f"there is no such key; {_TAKES}")
    if took_place and "result" not in answer:
        refuse(path, f"the result is missing, None if it returned nothing; {_TAKES}")
    if not took_place and "result" in answer:
        refuse(f"{path}.result", f"what did not happen has no result; {_TAKES}")
    return Happened(answer["result"]) if took_place else None


def call_of(key: str, note: Mapping[str, Any], agent: str, message: Message) -> AmbiguousCall:
    """The call that a note is about.

    Args:
        key: Names it within the run.
        note: What is kept of it.
        agent: Name of the agent.
        message: That the run began with.
    """
    return AmbiguousCall(
        agent,
        message.run,
        key,
        note["kind"],
        note["name"],
        note["arguments"],
        note["key"] or f"{message.id}:{key}",
        note["since"],
    )

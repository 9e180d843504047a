"""What the store keeps of a run: while it is not finished, and afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from civitas.errors import DeliveryError, HandlerFailed, NoReply, RunCancelled
from civitas.message import Message, decode, dumps, encode, loads
from civitas.message.call_name import is_call
from civitas.message.large import Large
from civitas.process.failures import dump_error, load_error
from civitas.runs.info import RunInfo, RunStatus
from civitas.runs.overview import told_by_answer
from civitas.state.in_order import piece_key

__all__ = [
    "ACCEPTED",
    "ENDED",
    "NAMED",
    "AcceptedRun",
    "EndedRun",
    "KeptBytes",
    "digest_of",
    "is_same",
]

ACCEPTED = "civitas:runs:accepted:"
"""What the keys of runs begin with that are not finished; a number follows, which says their order, and the name."""
ENDED = "civitas:runs:ended:"
"""The same of those that are; the number says when that was."""
NAMED = "civitas:runs:name:"
"""What the keys begin with under which a name leads to its run, where the sender gave the name."""

_INLINE = 16 * 1024
"""Bytes of a message that stand beside what is said of it; more have keys of their own, and need not be read for it."""
_PIECE = 8 * 1024 * 1024
"""Bytes of each piece: what one key can hold has an end."""
_MAY_LACK = ("cost", "steps")
"""What is not written where there is nothing to say, as each page that is not written counts."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ORDERED = 64 * 1024
"""Bytes of a payload whose dicts are the same in any order; of a longer one the order counts, too."""


def digest_of(message: Message) -> bytes:
    """What tells one message from another that was sent under the same name."""
    raw = message.raw
    if message.run_name is not None and len(raw) <= _ORDERED:
        raw = encode(_sorted(decode(raw)))
    return _digest(message.type, raw)


def is_same(message: Message, digest: bytes) -> bool:
    """Whether a message that has a name is the same as one that may have had none."""
    return digest in (digest_of(message), _digest(message.type, message.raw))


def _digest(type: str, raw: bytes) -> bytes:
    return hashlib.sha256(type.encode() + b"\0" + raw).digest()[:16]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=repr)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """Bytes as they are kept: beside what is said of them, or in pieces of their own.

    Attributes:
        inline: They, if they are few.
        pieces: They, by the key of each piece.
    """

    inline: bytes | None = None
    pieces: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, key: str, raw: bytes | Large) -> Self:
        """As they are kept under `key`."""
        raw = bytes(raw)
        if len(raw) <= _INLINE:
            return cls(raw)
        starts = range(0, len(raw), _PIECE)
        return cls(
            None,
            {
                piece_key(key, str(number)): {"bytes": raw[start : start + _PIECE]}
                for number, start in enumerate(starts)
            },
        )


@dataclass(slots=True)
class AcceptedRun:
    """A run that is not finished, as the store has it.

    Attributes:
        run: Its name.
        named: Whether its sender gave the name.
        order: By which runs are in the order of their acceptance.
        message_id: Of the message that began it.
        agent: Name of the agent that it is for, as its sender wrote it.
        conversation: Its conversation.
        type: Of the message.
        since: Unix seconds when it was accepted.
        digest: Of the message.
        owner: How the program signs that accepted it.
        deliveries: How many incarnations were given it by programs that are gone.
        pieces: Of how many pieces the message is; 0 if it stands beside this.
    """

    run: str
    named: bool
    order: int
    message_id: str
    agent: str
    conversation: str | None
    type: str
    since: float
    digest: bytes
    owner: str = ""
    deliveries: int = 0
    pieces: int = 0

    @classmethod
    def begun_by(cls, message: Message, order: int, owner: str) -> Self:
        """The run that a message begins."""
        return cls(
            message.run,
            message.run_name is not None,
            order,
            message.id,
            message.recipient,
            message.conversation,
            message.type,
            message.timestamp,
            digest_of(message),
            owner,
        )

    @property
    def lasts(self) -> bool:
        """Whether it goes on when nobody waits for it any more, as somebody will come back for it."""
        return self.named and not is_call(self.run)

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"{ACCEPTED}{self.order:020d}/{self.run}"

    @property
    def piece_keys(self) -> list[str]:
        """Where the pieces of its message are kept."""
        return [piece_key(self.key, str(number)) for number in range(self.pieces)]

    def plain(self, content: KeptBytes) -> dict[str, Any]:
        """As it is kept, with its message."""
        self.pieces = len(content.pieces)
        if content.inline is None:
            return {name: getattr(self, name) for name in self.__slots__ if name != "order"}
        # The message says the rest, and each page that is not written counts.
        own = {"message": content.inline, "named": self.named, "digest": self.digest}
        return {**own, "owner": self.owner, "deliveries": self.deliveries}

    @classmethod
    def read(cls, key: str, kept: Mapping[str, Any]) -> Self:
        """What is kept under `key`."""
        values = {name: kept[name] for name in cls.__slots__ if name in kept}
        if "message" in kept:
            message = loads(kept["message"])
            values |= {"run": key.partition("/")[2], "message_id": message.id, "type": message.type}
            values |= {"agent": message.recipient, "since": message.timestamp}
            values["conversation"] = message.conversation
        return cls(order=order_in(key), **values)

    def info(self, status: RunStatus, deliveries: int) -> RunInfo:
        """What is known of it."""
        return RunInfo(
            self.run,
            self.agent,
            status,
            self.conversation,
            self.type,
            self.since,
            deliveries=deliveries,
        )


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that is finished, as the store has it.

    Attributes:
        info: What is known of it.
        named: Whether its sender gave the name.
        order: The number in its key.
        digest: Of the message that began it.
        pieces: Of how many pieces its answer is; 0 if that stands beside this, or there is none.
        failure: Why there is no answer, as plain data.
        reply: The answer, encoded; None if there is none, or it has not been read.
    """

    info: RunInfo
    named: bool
    order: int
    digest: bytes
    pieces: int = 0
    failure: dict[str, Any] | None = None
    reply: bytes | Large | None = None

    @classmethod
    def of(
        cls,
        run: AcceptedRun,
        answer: Message | DeliveryError,
        at: float,
        given: int,
        last: Mapping[str, Any] = _NOTHING,
    ) -> Self:
        """How a run ended.

        Args:
            run: The run.
            answer: Its answer, or why there is none.
            at: Unix seconds.
            given: To how many incarnations it was given.
            last: What was known of it last, as attributes of a `RunInfo`.
        """
        reply = failure = None
        if isinstance(answer, Message):
            status = RunStatus.WAITING if answer.type == "interrupt" else RunStatus.DONE
            reply = dumps(answer)
        else:
            failure = dump_error(answer)
            status = RunStatus.FAILED
            if isinstance(answer, NoReply):
                status = RunStatus.DONE  # what was only sent needs no answer
            elif isinstance(answer, RunCancelled):
                status = RunStatus.EXPIRED if answer.expired else RunStatus.CANCELLED
        error = "" if status in (RunStatus.DONE, RunStatus.WAITING) else str(answer)
        if isinstance(answer, HandlerFailed):
            error = f"{answer.error_type}: {answer.error_message}"
        told = told_by_answer(answer) if isinstance(answer, Message) else {}
        info = replace(run.info(status, given), ended=at, error=error, **{**last, **told})
        return cls(info, run.named, int(at * 1e9), run.digest, 0, failure, reply)

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"{ENDED}{self.order:020d}/{self.info.run}"

    @property
    def piece_keys(self) -> list[str]:
        """Where the pieces of its answer are kept."""
        return [piece_key(self.key, str(number)) for number in range(self.pieces)]

    def plain(self, content: KeptBytes) -> dict[str, Any]:
        """As it is kept, with its answer."""
        info = {name: getattr(self.info, name) for name in RunInfo.__slots__}
        for name in _MAY_LACK:
            if not info[name]:
                del info[name]
        return {
            **info,
            "status": str(self.info.status),
            "named": self.named,
            "digest": self.digest,
            "pieces": len(content.pieces),
            "failure": self.failure,
            "reply": content.inline,
        }

    @classmethod
    def read(cls, key: str, kept: Mapping[str, Any]) -> Self:
        """What is kept under `key`."""
        info = {name: kept[name] for name in RunInfo.__slots__ if name in kept}
        info["status"] = RunStatus(info["status"])
        info["waits_for"] = tuple(info.get("waits_for", ()))
        info["steps"] = tuple(info.get("steps", ()))
        return cls(
            RunInfo(**info),
            kept["named"],
            order_in(key),
            kept["digest"],
            kept["pieces"],
            kept["failure"],
            kept["reply"],
        )

    def without_reply(self) -> EndedRun:
        """The same, whose answer and steps are read when somebody wants them."""
        info = replace(self.info, steps=()) if self.info.steps else self.info
        return replace(self, info=info, reply=None)

    @property
    def answer(self) -> Message | DeliveryError:
        """Its answer, or why there is none."""
        if self.failure is None:
            assert self.reply is not None  # whoever wants it has read it
            return loads(self.reply)
        error = load_error(self.failure)
        return (
            error
            if isinstance(error, DeliveryError)
            else HandlerFailed(self.info.agent, type(error).__name__, str(error))
        )


def order_in(key: str) -> int:
    """The number in the key of a run."""
    return int(key.partition("/")[0].rpartition(":")[2])

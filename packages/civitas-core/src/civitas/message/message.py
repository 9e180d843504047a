"""`Message`: what one agent hands to another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from civitas.message.codec import decode, encode
from civitas.message.envelope import check_headers, check_word
from civitas.message.ids import new_id

__all__ = ["Message", "new_message"]

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_UNDECODED: Final = object()
_USUAL: Final = ("message", "reply", "chunk")


class _Fields:
    """The slots of a message while it is made.

    A frozen dataclass pays for each field once more to get past its own lock: a microsecond a message, a tenth of a
    whole `ask`. Filling this twin and turning it into a `Message` costs a quarter of that.
    """

    __slots__ = (
        "_value",
        "attempt",
        "conversation",
        "correlation_id",
        "deadline",
        "headers",
        "id",
        "raw",
        "recipient",
        "reply_to",
        "run_name",
        "sender",
        "timestamp",
        "type",
        "wants_chunks",
    )

    id: str
    type: str
    sender: str | None
    recipient: str
    # The payload as it was encoded; what a handler does to `payload` does not show here.
    raw: bytes
    _value: Any
    correlation_id: str | None
    reply_to: str | None
    conversation: str | None
    headers: Mapping[str, str]
    timestamp: float
    deadline: float | None
    attempt: int
    wants_chunks: bool
    # The name of the run, if its sender gave it one, or it came out of the state store.
    run_name: str | None


# Past the lock of `Message`, at half the cost of `object.__setattr__`.
_keep_value = _Fields.__dict__["_value"].__set__


class Message(_Fields):
    """What one agent hands to another; frozen.

    Attributes:
        id: UUIDv7.
        type: What kind of message it is; ``message`` unless the sender said otherwise.
        sender: Name of the agent that sent it; None when the runtime itself did.
        recipient: Name of the agent it is for.
        payload: The recipient's own copy of what was sent.
        correlation_id: In a reply, the id of the message it answers.
        reply_to: Where the answer goes; None if nobody is waiting for one.
        conversation: The one id for what LangGraph calls a thread and OpenAI a session.
        headers: Text to text; carries W3C ``traceparent``, ``tracestate`` and ``baggage``.
        timestamp: Unix seconds when it was sent.
        deadline: Unix seconds after which nobody waits for the answer; None without end.
        attempt: 0 when a handler first starts with it; each further start adds 1.
        wants_chunks: Whether its sender reads what the handler emits: it was sent by `stream`.
        run: Name of the run that it began, or whose answer it is: as its sender said, otherwise the id of the message.

    Build one by keyword in a test of a handler; a running agent gets them from `send`, `ask` and `reply`.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        payload: Any = None,
        type: str = "message",
        sender: str | None = None,
        recipient: str = "",
        id: str | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        timestamp: float | None = None,
        deadline: float | None = None,
        attempt: int = 0,
        run: str | None = None,
    ) -> None:
        if headers is not None:
            headers = check_headers(headers)
        values = new_message(
            type,
            sender,
            recipient,
            encode(payload),
            id=id,
            correlation_id=correlation_id,
            reply_to=reply_to,
            conversation=conversation,
            headers=headers,
            timestamp=timestamp,
            deadline=deadline,
            attempt=attempt,
            run_name=run,
        )
        for name in _Fields.__slots__:
            object.__setattr__(self, name, getattr(values, name))

    @property
    def payload(self) -> Any:
        """The recipient's own copy of what was sent, made when first read."""
        value = self._value
        if value is _UNDECODED:
            value = decode(self.raw)
            _keep_value(self, value)
        return value

    @property
    def run(self) -> str:
        """Name of the run that it began, or whose answer it is."""
        return self.run_name or self.correlation_id or self.id

    def _again(self, attempt: int) -> Message:
        """The same message for another start of a handler, with the payload as it was sent."""
        return self._copy(self.headers, attempt, self.reply_to)

    def _with_headers(self, headers: Mapping[str, str]) -> Message:
        """The same message with other headers."""
        return self._copy(headers, self.attempt, self.reply_to)

    def _answered_by_way_of(self, node: str) -> Message:
        """The same message, with its answer to be handed to `node`; unchanged if nobody is waiting for one."""
        if self.reply_to is None:
            return self
        return self._copy(self.headers, self.attempt, node)

    def replaced(self, **fields: Any) -> Message:
        """The same message with other values in some of its slots."""
        copy = self._copy(self.headers, self.attempt, self.reply_to)
        for name, value in fields.items():
            object.__setattr__(copy, name, value)
        return copy

    def _copy(self, headers: Mapping[str, str], attempt: int, reply_to: str | None) -> Message:
        # Slot by slot: by names in a loop takes several times as long, as Python then looks up each of them.
        fields = _Fields()
        fields.id = self.id
        fields.type = self.type
        fields.sender = self.sender
        fields.recipient = self.recipient
        fields.raw = self.raw
        fields._value = _UNDECODED
        fields.correlation_id = self.correlation_id
        fields.reply_to = reply_to
        fields.conversation = self.conversation
        fields.headers = headers
        fields.timestamp = self.timestamp
        fields.deadline = self.deadline
        fields.attempt = attempt
        fields.wants_chunks = self.wants_chunks
        fields.run_name = self.run_name
        fields.__class__ = Message
        return fields  # type: ignore[return-value]  # it is one now

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Message is frozen; {name!r} cannot be set. Send a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Message is frozen; {name!r} cannot be deleted")

    def __repr__(self) -> str:
        return (
            f"<Message {self.type!r} {self.sender or '(runtime)'} -> {self.recipient or '(nobody)'} "
            f"{len(self.raw)} bytes id={self.id}>"
        )


def new_message(
    type: str,
    sender: str | None,
    recipient: str,
    raw: bytes,
    id: str | None = None,
    correlation_id: str | None = None,
    reply_to: str | None = None,
    conversation: str | None = None,
    headers: Mapping[str, str] | None = None,
    timestamp: float | None = None,
    deadline: float | None = None,
    attempt: int = 0,
    wants_chunks: bool = False,
    run_name: str | None = None,
) -> Message:
    """Make a message around an encoded payload.

    Its headers are checked where a user gives them, as tracing adds its own.

    Raises:
        ConfigurationError: Its type, conversation or run is not text, is empty or too long.
        PayloadError: One of them holds half a character.

    Where each message comes by, the arguments are given by position: by keyword costs as much as filling the slots.
    """
    # Nearly all have one of these, and to see that costs next to nothing.
    if type not in _USUAL:
        type = check_word(type, "message_type")
    if conversation is not None:
        conversation = check_word(conversation, "conversation")
    if run_name is not None:
        run_name = check_word(run_name, "run")
    if timestamp is None:
        timestamp = time.time()
        id = id or new_id(timestamp)
    fields = _Fields()
    fields.id = id or new_id()
    fields.type = type
    fields.sender = sender
    fields.recipient = recipient
    fields.raw = raw
    fields._value = _UNDECODED
    fields.correlation_id = correlation_id
    fields.reply_to = reply_to
    fields.conversation = conversation
    fields.headers = headers or _NO_HEADERS
    fields.timestamp = timestamp
    fields.deadline = deadline
    fields.attempt = attempt
    fields.wants_chunks = wants_chunks
    fields.run_name = run_name
    fields.__class__ = Message
    return fields  # type: ignore[return-value]  # it is one now

"""What travels between a caller and an exposed agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from civitas.brokers.nats import token_of
from civitas.errors import (
    AgentTerminated,
    CivitasError,
    ConfigurationError,
    HandlerFailed,
    MailboxFull,
    PayloadError,
    RunChanged,
    UnknownAgent,
    UnknownInterrupt,
)

__all__ = [
    "ACK",
    "KEEPALIVE",
    "PROTOCOL",
    "BadPrompt",
    "Identity",
    "NoAnswer",
    "Prompt",
    "PromptFailure",
    "chunk",
]

PROTOCOL = "0.3"
"""The version of the protocol."""
_TRACE = ("traceparent", "tracestate", "baggage")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an exposed agent is, in the words of the protocol.

    Attributes:
        harness: What runs it: the prefix of the system, as a token.
        owner: The system, as a token.
        session: The agent, as a token.
    """

    harness: str
    owner: str
    session: str

    @classmethod
    def of(cls, prefix: str, system: str, agent: str) -> Identity:
        """That of the agent of a system."""
        return cls(*map(token_of, (prefix, system, agent)))

    def subject(self, verb: str) -> str:
        """Where it takes prompts (``prompt``), answers (``status``), and shows that it lives (``hb``)."""
        return f"agents.{verb}.{self.harness}.{self.owner}.{self.session}"

    def plain(self) -> dict[str, str]:
        """The same by the names that the protocol gives."""
        return {"agent": self.harness, "owner": self.owner, "session": self.session}


class BadPrompt(Exception):
    """What arrived is not a prompt; its text says what is wrong with it."""


class NoAnswer(Exception):
    """Whoever prompted did not answer a question in time."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a caller asked.

    Attributes:
        text: The prompt.
        conversation: The one that the caller named; None for none.
        headers: Those of the caller's trace.
        envelope: Everything that came with it.
    """

    text: str
    conversation: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    envelope: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, headers: Mapping[str, str] | None = None) -> Prompt:
        """Read what a caller sent: plain text, or a JSON object with ``prompt``.

        Raises:
            BadPrompt: It is neither.
        """
        trace = {key: text for key, text in (headers or {}).items() if key in _TRACE}
        try:
            text = data.decode()
            envelope = json.loads(text) if text.lstrip("\t\n\r ").startswith("{") else None
        except (ValueError, RecursionError) as error:
            raise BadPrompt(f"it is neither UTF-8 text nor a JSON object: {error}") from error
        if envelope is None:
            envelope = {"prompt": text}
        prompt, conversation = envelope.get("prompt"), envelope.get("conversation")
        if not isinstance(prompt, str) or not prompt:
            raise BadPrompt("'prompt' must be text that is not empty")
        if envelope.get("attachments"):
            raise BadPrompt("this agent takes no attachments (attachments_ok is false)")
        if conversation is not None and not isinstance(conversation, str):
            raise BadPrompt("'conversation' must be text")
        return cls(prompt, conversation or None, trace, envelope)


def chunk(type: str, data: object) -> bytes:
    """A part of the answer, as it travels."""
    return json.dumps({"type": type, "data": data}, ensure_ascii=False).encode()


ACK = chunk("status", "ack")
KEEPALIVE = chunk("status", "keepalive")


@dataclass(frozen=True, slots=True)
class PromptFailure:
    """Why there is no answer, as a caller hears it.

    Attributes:
        code: As in HTTP: 400, 404, 409, 429 or 500.
        word: For a program to read.
        text: For a person to read.
    """

    code: int
    word: str
    text: str

    @classmethod
    def of(cls, error: BaseException) -> PromptFailure:
        """That of an error."""
        refused = isinstance(error, HandlerFailed) and error.refused
        meant = PayloadError if refused else type(error)
        code, word = next(
            ((code, word) for kind, code, word in _FAILURES if issubclass(meant, kind)),
            (500, "internal_error"),
        )
        own = isinstance(error, (CivitasError, BadPrompt, NoAnswer))
        return cls(code, word, str(error) if own else type(error).__name__)

    def headers(self) -> dict[str, str]:
        """The headers that say it."""
        line = " ".join(self.text.split())
        return {"Nats-Service-Error-Code": str(self.code), "Nats-Service-Error": line[:500]}

    def body(self) -> bytes:
        """What stands beside them."""
        return json.dumps({"error": self.word, "message": self.text}, ensure_ascii=False).encode()


_FAILURES: tuple[tuple[type[BaseException], int, str], ...] = (
    (BadPrompt, 400, "bad_request"),
    (PayloadError, 400, "bad_request"),
    (UnknownInterrupt, 409, "unknown_interrupt"),
    (RunChanged, 409, "run_changed"),
    (UnknownAgent, 404, "unknown_agent"),
    (MailboxFull, 429, "mailbox_full"),
    (AgentTerminated, 409, "agent_terminated"),
    (ConfigurationError, 409, "not_available"),
    (NoAnswer, 409, "no_answer"),
    (CivitasError, 500, "agent_failed"),
)

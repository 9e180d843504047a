"""`NatsDeadLetters`: the dead letters of a system in a stream of a NATS server."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgpack

from civitas.brokers.nats import NatsOptions, token_of
from civitas.brokers.nats.jetstream import (
    JetStream,
    NatsRefusal,
    Purpose,
    ServerAway,
    StreamLimits,
    make_stream,
)
from civitas.errors import ConfigurationError
from civitas.transport.dead_letters import DeadLetter
from civitas.transport.nats.mailboxes.names import MailboxNames

__all__ = ["NatsDeadLetters"]

_MOST = 10_000
"""Dead letters that are kept; with one more, the oldest goes."""
_LONGEST = 30 * 24 * 3600
"""Seconds that one is kept."""
_NANO = 10**9
_VERSION = 1
_EXPECT = "Nats-Expected-Last-Subject-Sequence"
_WINDOW = 600
"""Seconds in which one that is put again is kept once."""
_NOT_THERE = 10043
"""Of a message that is to be deleted."""


class NatsDeadLetters:
    """The stream ``PREFIX_NAME_dead``, with a subject for each agent and reason.

    Args:
        options: How to reach the server.
        prefix: Of the system's subjects.
        system: Name of the system.
        limits: Of the streams of the system; the ages and counts here are their own.
        patience: Seconds that a request waits for a server.
    """

    def __init__(
        self,
        options: NatsOptions,
        prefix: str,
        system: str,
        limits: StreamLimits,
        *,
        patience: float = 5.0,
    ) -> None:
        self._names = names = MailboxNames.of(prefix, system)
        self.stream = f"{names.system}_dead"
        self._base = names.base
        self._system = system
        self._limits = limits
        self._where = options.where
        purpose = Purpose(
            user="at_least_once",
            keeps="dead letters",
            subjects=f"{self._base}.>",
            error=ConfigurationError,
        )
        self._server = JetStream(options, self.stream, patience, purpose)

    def configuration(self) -> dict[str, Any]:
        """The stream, in the words of the server."""
        limits = self._limits.settings()
        return {
            **limits,
            "name": self.stream,
            "subjects": [f"{self._base}.dead.*.*"],
            "description": f"Dead letters of the Civitas system {self._system!r}"[:1000],
            "metadata": {"civitas": "dead letters", "civitas.system": self._system},
            "max_msgs": _MOST,
            "max_age": _LONGEST * _NANO,
            "duplicate_window": _WINDOW * _NANO,
        }

    async def make(self) -> None:
        """Make the stream; see `DeadLetterBox.make`."""
        try:
            await make_stream(self._server, self.configuration())
        except ServerAway as error:
            raise self._unusable(error) from error

    async def keep(self, letter: DeadLetter) -> None:
        """Publish it; see `DeadLetterBox.keep`."""
        subject = f"{self._base}.dead.{token_of(letter.agent)}.{letter.reason}"
        body: bytes = msgpack.packb(
            (_VERSION, letter.agent, letter.reason, letter.time, letter.id, letter.body)
        )
        headers = {**letter.headers, "Nats-Msg-Id": letter.id}
        try:
            await self._server.request(subject, body, headers)
        except (NatsRefusal, ServerAway) as error:
            raise self._unusable(error) from error

    async def all(self, agent: str = "", reason: str = "") -> AsyncIterator[DeadLetter]:
        """Read them one after the other; see `DeadLetterBox.all`."""
        pattern = f"{self._base}.dead.{token_of(agent) if agent else '*'}.{reason or '*'}"
        number = 1
        while (found := await self._message(seq=number, next_by_subj=pattern)) is not None:
            number = found["seq"] + 1
            yield _letter(found)

    async def get(self, number: int) -> DeadLetter | None:
        """Read one; see `DeadLetterBox.get`."""
        found = await self._message(seq=number)
        return None if found is None else _letter(found)

    async def drop(self, number: int) -> bool:
        """Delete it; see `DeadLetterBox.drop`."""
        try:
            await self._call(f"STREAM.MSG.DELETE.{self.stream}", seq=number, no_erase=True)
        except NatsRefusal as error:
            if error.is_absent or error.is_gone or error.code == _NOT_THERE:
                return False
            raise self._unusable(error) from error
        return True

    async def deliver(
        self, letter: DeadLetter, message_id: str, conversation: str, body: bytes
    ) -> None:
        """Publish it to the mailbox's subject; see `DeadLetterBox.deliver`."""
        consumer = await self._mailbox(letter.agent)
        if consumer is None:
            raise ConfigurationError(
                f"{letter.agent!r} has no mailbox on the NATS server {self._where}: it is not an agent of this system "
                "now, or was never started with at_least_once"
            )
        pattern: str = consumer["config"]["filter_subject"]
        several = pattern.endswith(">")
        subject = (
            f"{pattern[:-1]}{token_of(conversation) if conversation else '-'}"
            if several
            else pattern
        )
        try:
            await self._forgive(pattern, message_id)
            id = f"{letter.id}#replay-{letter.number}"
            await self._server.request(subject, body, {**letter.headers, "Nats-Msg-Id": id})
        except NatsRefusal as error:
            if error.is_no_room:
                raise ConfigurationError(
                    f"the mailbox of {letter.agent!r} is full; replay it when the agent has handled some"
                ) from error
            raise self._unusable(error) from error
        except ServerAway as error:
            raise self._unusable(error) from error

    async def _forgive(self, pattern: str, message_id: str) -> None:
        """Forget to how many incarnations a message was given: the root would give it up at once."""
        names = self._names
        key = pattern.removeprefix(f"{names.base}.mbox.").rstrip(".>")
        subject = f"$KV.{names.bucket}.given.{key}"
        while True:
            found = await self._read(f"KV_{names.bucket}", last_by_subj=subject)
            counts = json.loads(base64.b64decode(found.get("data", "")) or b"{}") if found else {}
            if found is None or counts.pop(message_id, None) is None:
                return
            try:
                await self._server.request(
                    subject, json.dumps(counts).encode(), {_EXPECT: str(found["seq"])}
                )
            except NatsRefusal as error:
                if not error.is_stale:
                    raise
            else:
                return

    async def close(self) -> None:
        """End the connection; see `DeadLetterBox.close`."""
        await self._server.close()

    async def _mailbox(self, agent: str) -> dict[str, Any] | None:
        """The consumer that the mailbox of an agent is; None if it has none."""
        listed = await self._call("STREAM.NAMES", subject=f"{self._base}.mbox.>")
        for stream in listed.get("streams") or ():
            try:
                return await self._call(f"CONSUMER.INFO.{stream}.mbox_{token_of(agent)}")
            except NatsRefusal as error:
                if not error.is_gone:
                    raise self._unusable(error) from error
        return None

    async def _message(self, **which: Any) -> dict[str, Any] | None:
        return await self._read(self.stream, **which)

    async def _read(self, stream: str, **which: Any) -> dict[str, Any] | None:
        try:
            answer = await self._call(f"STREAM.MSG.GET.{stream}", **which)
        except NatsRefusal as error:
            if error.is_absent or error.is_gone:
                return None
            raise self._unusable(error) from error
        message: dict[str, Any] = answer["message"]
        return message

    async def _call(self, what: str, **body: Any) -> dict[str, Any]:
        try:
            return await self._server.api(what, **body)
        except ServerAway as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigurationError:
        cure = ""
        if isinstance(error, NatsRefusal) and error.is_full:
            cure = "its storage is full; free some space, or raise its limits "
        return ConfigurationError(
            f"the NATS server {self._where} keeps the dead letters of {self._system!r}: {cure}({error})"
        )


def _letter(found: Mapping[str, Any]) -> DeadLetter:
    raw = base64.b64decode(found.get("data", ""))
    try:
        version, agent, reason, time, id, body, *_ = msgpack.unpackb(raw)
        if version != _VERSION:
            raise ValueError(f"it has version {version}")
    except Exception as error:
        raise ConfigurationError(
            f"number {found['seq']} of the dead letters cannot be read ({error}); it is of a newer version, or none of "
            "Civitas. Drop it, or look at it with the command nats"
        ) from error
    headers = _headers(base64.b64decode(found.get("hdrs", "")))
    return DeadLetter(
        agent=agent,
        reason=reason,
        time=time,
        id=id,
        body=body,
        headers=headers,
        number=found["seq"],
    )


def _headers(raw: bytes) -> dict[str, str]:
    """Those of a trace."""
    lines = (line.partition(":") for line in raw.decode(errors="replace").split("\r\n"))
    return {key: text.strip() for key, _, text in lines if key in _TRACE}


_TRACE = ("traceparent", "tracestate", "baggage")

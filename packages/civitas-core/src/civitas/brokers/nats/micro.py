"""The service protocol of NATS, by which `nats micro ls`, `info` and `stats` find the services on a server.

Whoever asks at ``$SRV.PING``, ``$SRV.INFO`` or ``$SRV.STATS`` is answered by every service; behind the verb may stand
the name of a service, and behind that the id of one instance.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["Endpoint", "Service", "answers", "may_answer", "own_version"]

log = logging.getLogger("civitas.brokers")

_VERBS = ("PING", "INFO", "STATS")
_SHOWN = 1000
"""Endpoints of one service that are shown: an answer is one message, and that has its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One thing that a service does, with what came of it so far.

    Attributes:
        name: Letters, digits, ``-``, ``_`` and ``=``.
        subject: Where its messages go.
        queue_group: Whose members share them; empty if each gets all.
        metadata: Text by name.
        requests: How many it has taken.
        errors: How many of them failed.
        last_error: What the last one failed with; empty if none has.
        data: Whatever else is to be known, as plain data.
    """

    name: str
    subject: str
    queue_group: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def info(self) -> dict[str, Any]:
        """What it is."""
        return {
            "name": self.name,
            "subject": self.subject,
            "queue_group": self.queue_group,
            "metadata": dict(self.metadata),
        }

    def stats(self) -> dict[str, Any]:
        """What came of it. Times are not measured here: that is what traces and metrics are for."""
        return {
            "name": self.name,
            "subject": self.subject,
            "queue_group": self.queue_group,
            "num_requests": self.requests,
            "num_errors": self.errors,
            "last_error": self.last_error,
            "processing_time": 0,
            "average_processing_time": 0,
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One instance of a service.

    Attributes:
        name: Shared by all instances; letters, digits, ``-`` and ``_``.
        id: Of this instance; no other has it.
        description: For a person to read.
        metadata: Text by name.
        endpoints: What it does, as of now.
        started: When it began.
    """

    name: str
    id: str
    description: str
    metadata: Mapping[str, str]
    endpoints: Callable[[], Iterable[Endpoint]]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def answer(self, verb: str) -> dict[str, Any]:
        """What is answered to ``PING``, ``INFO`` or ``STATS``."""
        found: dict[str, Any] = {
            "type": f"io.nats.micro.v1.{verb.lower()}_response",
            "name": self.name,
            "id": self.id,
            "version": own_version(),
            "metadata": dict(self.metadata),
        }
        if verb == "PING":
            return found
        endpoints = list(self.endpoints())[:_SHOWN]
        if verb == "INFO":
            return {
                **found,
                "description": self.description,
                "endpoints": [each.info() for each in endpoints],
            }
        return {
            **found,
            "started": self.started.isoformat().replace("+00:00", "Z"),
            "endpoints": [each.stats() for each in endpoints],
        }


async def answers(client: Client, service: Service, is_own: Callable[[str], bool]) -> list[Any]:
    """Answer whoever asks what a service is.

    Args:
        client: A connection. Where its user may not subscribe to ``$SRV``, nobody is answered, and all else goes on.
        service: The service.
        is_own: Whether a subject belongs to the system; no answer goes there, see `may_answer`.

    Returns:
        The subscriptions.
    """

    async def say(verb: str, message: Msg) -> None:
        if not may_answer(message.reply, is_own):
            return
        try:
            await client.publish(message.reply, json.dumps(service.answer(verb)).encode())
        except Exception as error:
            log.debug("nats: a question about services was not answered: %s", error)

    return [
        await client.subscribe(f"$SRV.{verb}{rest}", cb=partial(say, verb))
        for verb in _VERBS
        for rest in ("", f".{service.name}", f".{service.name}.{service.id}")
    ]


def may_answer(subject: str, is_own: Callable[[str], bool]) -> bool:
    """Whether an answer may go to where a stranger wants it: not to the server's own API, nor into the system.

    A stranger who may not publish there could otherwise let this process do it.
    """
    return bool(subject) and not subject.startswith("$") and not is_own(subject)


@cache
def own_version() -> str:
    """The version of civitas-core, as a semantic version."""
    return version("civitas-core")

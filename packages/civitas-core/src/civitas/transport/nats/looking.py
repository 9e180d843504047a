"""How a node is looked into over NATS: by the thread of its pulse, so that its event loop is not needed."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from civitas.transport.looking import Shows
from civitas.transport.nats.address import Subjects

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["NatsLooking", "look"]

log = logging.getLogger("civitas.transport")

_LOOKERS = 8
"""So many are answered at once; others ask again."""
_HEADER = 4096
"""Bytes that a server may count beside those of an answer."""


class NatsLooking:
    """Answers, beside the event loop of a node, those who look into it.

    Args:
        subjects: Of the system.
        token: Of this node.
        may: Says whether this node may answer as what it is.
        client: The connection; None while there is none.
    """

    def __init__(
        self,
        subjects: Subjects,
        token: str,
        *,
        may: Callable[[], bool],
        client: Callable[[], Client | None],
    ) -> None:
        self._subjects = subjects
        self._token = token
        self._may = may
        self._client = client
        self._threads: set[threading.Thread] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self.shows: Shows | None = None

    # In the thread of the pulse.

    async def subscribe(self, client: Client) -> None:
        """Answer from now on."""
        for subject in (self._subjects.looks(self._token), self._subjects.looks(None)):
            await client.subscribe(subject, cb=self._take)

    async def close(self) -> None:
        """Wait for the answers that are being made."""
        for thread in list(self._threads):
            await asyncio.to_thread(thread.join)

    async def _take(self, message: Msg) -> None:
        shows, client = self.shows, self._client()
        if shows is None or client is None or not self._may() or len(self._threads) >= _LOOKERS:
            return
        if not message.reply.startswith(self._subjects.inbox):
            return
        # A profile takes seconds, in which the pulse has to go on.
        thread = threading.Thread(
            target=self._answer,
            args=[
                asyncio.get_running_loop(),
                shows,
                bytes(message.data),
                client.max_payload - _HEADER,
                message.reply,
            ],
            name="civitas-nats-look",
            daemon=True,
        )
        self._threads.add(thread)
        thread.start()

    def _publish(self, thread: threading.Thread, reply: str, answer: bytes | None) -> None:
        self._threads.discard(thread)
        client = self._client()
        if client is not None and answer is not None and self._may():
            task = asyncio.get_running_loop().create_task(_published(client, reply, answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    # In a thread of its own.

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        shows: Shows,
        question: bytes,
        most: int,
        reply: str,
    ) -> None:
        answer: bytes | None = None
        try:
            answer = shows(question, most)
        except Exception:
            log.exception("nats: the look into this process failed")
        with suppress(RuntimeError):  # the pulse has ended
            loop.call_soon_threadsafe(self._publish, threading.current_thread(), reply, answer)


async def _published(client: Client, reply: str, answer: bytes) -> None:
    with suppress(Exception):  # whoever looks asks again
        await client.publish(reply, answer)


async def look(
    connected: Callable[[], Client | None], subject: str, question: bytes, within: float
) -> bytes | None:
    """What is answered first at a subject; None if nobody answers in time."""
    client = connected()
    if client is None:
        return None
    try:
        return (await client.request(subject, question, within)).data
    except Exception as error:
        log.debug("nats: nobody shows at %s what happens: %r", subject, error)
        return None

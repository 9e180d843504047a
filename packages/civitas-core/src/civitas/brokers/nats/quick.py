"""`QuickClient`: nats-py's client, with a short way in and a short way out for what comes and goes by the thousand.

nats-py keeps the connection: servers, logins, TLS, reconnecting, subscriptions. But it validates each subject it is
given, wakes a task to write, and hands each message over by a queue and another task; that takes several times as long
as what is done with a small message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from nats.aio.client import Client
from nats.aio.subscription import Subscription

__all__ = ["QuickClient", "Take"]

log = logging.getLogger("civitas.brokers")

Take: TypeAlias = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Takes a message: its subject, the subject for an answer (empty for none), what it carries, its header as it came."""

_FULL = 2 * 1024 * 1024
"""Bytes that wait for the socket; who has more waits, too."""


class QuickClient(Client):
    """A client of nats-py, all of which works as ever."""

    def __init__(self) -> None:
        super().__init__()
        self._takes: dict[int, Take] = {}

    async def take(self, subject: str, take: Take) -> Subscription:
        """Subscribe.

        Args:
            subject: Where.
            take: Called with each message as it is read from the socket, so that it should not take long. An error that
                it raises is logged.
        """
        subscription = await self.subscribe(subject, pending_msgs_limit=0, pending_bytes_limit=0)
        self._takes[subscription._id] = take
        return subscription

    def write(self, publications: bytes) -> None:
        """Send what `publication` made, one or several, behind all that was published before.

        There must be a connection; what is on its way when that is lost is not sent again.
        """
        if self._pending:  # what nats-py has still to write goes first
            self._transport.writelines(self._pending)
            self._pending = []
            self._pending_data_size = 0
        self._transport.write(publications)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the socket that no more should be written before `emptied`."""
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.transport.get_write_buffer_size() > _FULL

    async def emptied(self) -> None:
        """Wait until the socket takes more; raises if the connection is lost."""
        await self._transport.drain()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        take = self._takes.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]
            return
        try:
            take(subject, reply, data, headers)
        except Exception:
            log.exception("nats: a message could not be handled")

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        super()._remove_sub(sid, max_msgs)
        self._takes.pop(sid, None)

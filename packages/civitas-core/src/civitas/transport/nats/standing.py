"""Whether a node still belongs to its system: how the root is asked over NATS, and answers.

Both happen in the thread of a pulse, so that a node whose event loop is held up can ask.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from civitas.launch import Fence
from civitas.transport.nats.address import ROOT, Subjects, address_of, split_address
from civitas.transport.standing import Belongs, Standing

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["NatsStanding", "Vouching"]

log = logging.getLogger("civitas.transport")

_TIME = struct.Struct("<d")
_YES, _NO = b"yes", b"no"


class NatsStanding:
    """What a member knows of its standing.

    Args:
        subjects: Of the system.
        token: Of the member.
        run: Of the member.
        timeout: Seconds without a sign after which the root gives it up.
        keeps: Whether it goes on where the root cannot be asked.
        client: The connection; None while there is none.
    """

    def __init__(
        self,
        subjects: Subjects,
        token: str,
        run: bytes,
        timeout: float,
        *,
        keeps: bool,
        client: Callable[[], Client | None],
    ) -> None:
        self._subjects = subjects
        self._address = address_of(token, run).encode()
        self._proofs = subjects.proofs(run)
        self._timeout = timeout
        self._keeps = keeps
        self._client = client
        self._standing: Standing | None = None
        self._shown_at = time.monotonic()

    def silence(self) -> float:
        """Seconds since the latest beat left that the server surely handed on to others."""
        return time.monotonic() - self._shown_at

    def hold_by(self, fence: Fence) -> None:
        """Hold this node up whenever the root may have given it up. Called in the main thread."""
        self._standing = Standing(self._timeout, fence.lose, keeps=self._keeps)
        fence.guard(self._standing.may)

    # In the thread of the pulse.

    @property
    def is_in_doubt(self) -> bool:
        """Whether the root is to be asked."""
        return self._standing is not None and self._standing.is_in_doubt

    async def subscribe(self, client: Client) -> None:
        """See from now on what the server has handed on."""
        await client.subscribe(self._proofs, cb=self._handed_on)

    def connected(self) -> None:
        """There is a connection again."""
        if self._standing is not None:
            self._standing.can_be_asked()

    async def prove(self, client: Client, left_at: float) -> None:
        """What this node showed left at that time: have the server say when it has handed that on."""
        await client.publish(self._proofs, _TIME.pack(left_at))

    async def _handed_on(self, message: Msg) -> None:
        with suppress(struct.error):
            (left_at,) = _TIME.unpack(message.data)
            self._shown_at = left_at
            if self._standing is not None:
                self._standing.heard(left_at)

    async def ask(self, patience: float) -> None:
        """Ask the root.

        Args:
            patience: Seconds for its answer.
        """
        standing, client = self._standing, self._client()
        if standing is None:
            return
        asked_at = time.monotonic()
        try:
            if client is None:
                raise ConnectionError("there is no connection")
            subject = self._subjects.belongs(ROOT)
            answer = await client.request(subject, self._address, patience)
        except Exception as error:
            log.debug("nats: whether this node still belongs to the system is not known: %r", error)
            standing.nobody_answers()
        else:
            standing.answered(answer.data == _YES, asked_at)


class Vouching:
    """Answers, at the root, whether others belong to the system.

    Args:
        subjects: Of the system.
        may: Says whether this node may act as the root.
        asked: Called with the token of the node that asks, as that shows that it lives.
        client: The connection; None while there is none.
        outside: Calls something in the event loop of the transport.
        inside: Calls something in that of the thread.
    """

    def __init__(
        self,
        subjects: Subjects,
        *,
        may: Callable[[], bool],
        asked: Callable[[str], None],
        client: Callable[[], Client | None],
        outside: Callable[..., None],
        inside: Callable[..., None],
    ) -> None:
        self._subjects = subjects
        self._may = may
        self._asked = asked
        self._client = client
        self._outside = outside
        self._inside = inside
        self._answering: set[asyncio.Task[None]] = set()
        self.belongs: Belongs | None = None

    async def subscribe(self, client: Client) -> None:
        """Answer from now on."""
        await client.subscribe(self._subjects.belongs(ROOT), cb=self._take)

    async def _take(self, message: Msg) -> None:
        if not self._may() or not message.reply.startswith(self._subjects.inbox):
            return
        address = bytes(message.data).decode(errors="replace")
        try:
            token, run = split_address(address)
        except Exception:
            return
        # First: from now on nobody finds that it has been silent for too long. Where that was found before, the loop
        # hears of it before it is asked.
        self._asked(token)
        self._outside(self._look_up, address_of(token, run), message.reply)

    def _look_up(self, address: str, reply: str) -> None:
        belongs = self.belongs(address) if self.belongs is not None else None
        if belongs is not None:
            self._inside(self._answer, reply, _YES if belongs else _NO)

    def _answer(self, reply: str, answer: bytes) -> None:
        if (client := self._client()) is not None and self._may():
            task = asyncio.get_running_loop().create_task(_publish(client, reply, answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)


async def _publish(client: Any, subject: str, payload: bytes) -> None:
    with suppress(Exception):  # it asks again
        await client.publish(subject, payload)

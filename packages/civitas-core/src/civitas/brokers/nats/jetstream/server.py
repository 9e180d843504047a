"""A NATS server, or the cluster of one: asked again until it has answered."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats.jetstream.refusals import NatsRefusal, ServerAway
from civitas.errors import CivitasError

if TYPE_CHECKING:
    from nats.aio.client import Client

    from civitas.brokers.nats.options import NatsOptions

__all__ = ["ATTEMPT", "JetStream", "Purpose"]

logger = logging.getLogger("civitas")

ATTEMPT = 2.0
"""Seconds after which a request that is not answered is made again."""

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 0.5
_API = "$JS.API."
_PERMISSIONS = "permissions violation"
_UNWELCOME = ("authorization", "authentication", "tls", "nkey", "credentials", "signature")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a server is used for, as it stands in errors.

    Attributes:
        user: Who uses it, such as ``the state store``.
        keeps: What it keeps for that, such as ``state``.
        subjects: What a user of the server must be allowed to publish to, beside JetStream itself.
        error: What is raised when the server cannot be used for that.
    """

    user: str
    keeps: str
    subjects: str
    error: Callable[[str], CivitasError]


class JetStream:
    """A server, with a connection that is made at the first request, and again when it is lost.

    Args:
        options: How the server is reached.
        stream: The stream that takes what is not for JetStream itself.
        timeout: Seconds that a request waits for a server.
        purpose: What it is used for.
    """

    def __init__(self, options: NatsOptions, stream: str, timeout: float, purpose: Purpose) -> None:
        self._options = options
        self._purpose = purpose
        self._stream = stream
        self._timeout = timeout
        self._client: Client | None = None
        self._making: asyncio.Task[Client] | None = None
        self._refused: asyncio.Future[CivitasError]  # done when no server will let us in
        self._there = asyncio.Event()
        self._waiting: set[asyncio.Timeout] = set()  # requests under way
        self._said = ""  # the last that was heard of what is wrong
        self._denied = ""

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        attempt: float = ATTEMPT,
    ) -> dict[str, Any]:
        """Make a request until it is answered. What it does must bear being done twice.

        Args:
            subject: Where it goes.
            payload: What it carries.
            headers: Likewise.
            attempt: Seconds after which it is made again.

        Raises:
            NatsRefusal: The server answered with an error.
            ServerAway: No server answered in time.
            CivitasError: No server will: it does not let us in, or has no JetStream.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        wait = _FIRST_WAIT
        while True:
            try:
                client = await self._connected(deadline)
                return await self._once(client, subject, payload, headers, attempt)
            except NatsRefusal as error:
                if not error.may_pass:
                    raise
                self._said = str(error)
            except _Unanswered as error:
                self._said = str(error) or self._said
            if loop.time() + wait >= deadline:
                raise ServerAway(self._no_answer())
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def api(self, what: str, **body: Any) -> dict[str, Any]:
        """A request to JetStream itself; raises as `request`."""
        return await self.request(f"{_API}{what}", json.dumps(body).encode())

    @property
    def largest(self) -> int:
        """Bytes of the largest message that the server takes."""
        assert self._client is not None
        return self._client.max_payload

    async def close(self) -> None:
        """End it. Does nothing the second time."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait({self._making})
        client, self._client = self._client, None
        if client is not None:
            await _end(client)

    async def _once(
        self,
        client: Client,
        subject: str,
        payload: bytes,
        headers: dict[str, str] | None,
        attempt: float,
    ) -> dict[str, Any]:
        from nats.errors import Error, NoRespondersError

        try:
            async with asyncio.timeout(attempt) as limit:
                self._waiting.add(limit)
                try:
                    answer = await client.request(
                        subject, payload, timeout=attempt + 1, headers=headers
                    )
                finally:
                    self._waiting.discard(limit)
        except NoRespondersError as error:
            self._check_jetstream(client)
            if not subject.startswith(_API):  # perhaps as there is no such stream
                await self._once(client, f"{_API}STREAM.INFO.{self._stream}", b"", None, attempt)
            raise _Unanswered(
                "JetStream did not answer, as it has no leader at the moment"
            ) from error
        except (Error, TimeoutError, ConnectionError) as error:
            self._check_rights(subject)
            raise _Unanswered("") from error
        found: dict[str, Any] = json.loads(answer.data)
        if "error" in found:
            raise NatsRefusal(found["error"])
        self._said = ""
        return found

    async def _connected(self, deadline: float) -> Client:
        """The connection, made if there is none, awaited if it is lost."""
        client = self._client
        if client is not None and client.is_connected:
            return client
        if client is not None and client.is_closed:  # it ends for good where the server cut it
            client = self._client = None
        try:
            async with asyncio.timeout_at(deadline):
                if client is None:
                    return await asyncio.shield(self._make())
                await self._there.wait()
        except TimeoutError as error:
            raise ServerAway(self._no_answer()) from error
        return client

    def _make(self) -> asyncio.Task[Client]:
        # A task of its own, shared by all who come first: the cancellation of one must not stop it half way.
        if self._making is None or self._making.done():
            self._making = asyncio.get_running_loop().create_task(self._connect())
            self._making.add_done_callback(_seen)
        return self._making

    async def _connect(self) -> Client:
        keywords = {**self._options.keywords(), "reconnect_time_wait": 0.1}
        from nats.aio.client import Client
        from nats.errors import Error

        client = Client()
        self._refused = asyncio.get_running_loop().create_future()
        connecting = asyncio.ensure_future(
            client.connect(
                **keywords,
                name=f"civitas {self._purpose.keeps}",
                max_reconnect_attempts=-1,
                connect_timeout=int(ATTEMPT),
                # A server that hangs is noticed after two of them.
                ping_interval=2,
                max_outstanding_pings=2,
                error_cb=self._heard,
                disconnected_cb=self._lost,
                reconnected_cb=self._found,
                lame_duck_mode_cb=self._is_ending,
            )
        )
        either: set[asyncio.Future[Any]] = {connecting, self._refused}
        try:
            await asyncio.wait(either, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                raise self._refused.result()
            if not connecting.done():
                raise ServerAway(self._no_answer())
            connecting.result()
        except (Error, OSError, TimeoutError) as error:
            await _give_up(connecting, client)
            raise ServerAway(self._no_answer()) from error
        except BaseException:
            await _give_up(connecting, client)
            raise
        self._client, self._said = client, ""
        self._there.set()
        return client

    async def _heard(self, error: Exception) -> None:
        """What the client reports; while it connects, some of it will not change however often it tries."""
        self._said = said = str(error) or type(error).__name__
        if _PERMISSIONS in said.lower():
            self._denied = said
            self._give_up_waiting()
        elif self._client is None and _is_unwelcome(error) and not self._refused.done():
            why = self._purpose.error(
                f"the NATS server {self._options.where} does not let {self._purpose.user} in ({said}). Check user, "
                "password, token, nkey, credentials and tls, and that the server knows them"
            )
            self._refused.set_result(why)

    async def _lost(self) -> None:
        self._there.clear()
        self._give_up_waiting()
        if self._client is not None and not self._client.is_closed:
            logger.warning(
                "lost the NATS server %s, which keeps %s; waiting for it, up to %g s in each call",
                self._options.where,
                self._purpose.keeps,
                self._timeout,
            )

    async def _found(self) -> None:
        self._there.set()
        logger.warning(
            "the NATS server %s, which keeps %s, is back", self._options.where, self._purpose.keeps
        )

    async def _is_ending(self) -> None:
        logger.warning(
            "the NATS server %s, which keeps %s, is about to shut down (lame duck mode); another one of its cluster "
            "takes over, or it is waited for",
            self._options.where,
            self._purpose.keeps,
        )

    def _give_up_waiting(self) -> None:
        """End the requests under way: what would answer them is gone, and they are made again."""
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            limit.reschedule(now)

    def _check_jetstream(self, client: Client) -> None:
        if not client._server_info.get("jetstream"):
            raise self._purpose.error(
                f"the NATS server {self._options.where} has no JetStream, which {self._purpose.user} needs. Start it "
                "with -js, or with jetstream {} in its configuration"
            )

    def _check_rights(self, subject: str) -> None:
        if f'"{subject}"'.lower() in self._denied.lower():
            denied, self._denied = self._denied, ""
            raise self._purpose.error(
                f"the NATS server {self._options.where} does not let this user keep {self._purpose.keeps} ({denied}). "
                f"Let it publish to $JS.API.> and to {self._purpose.subjects}"
            )

    def _no_answer(self) -> str:
        said = f" (the last that was heard: {self._said})" if self._said else ""
        cure = "Start the server, or check servers and the network"
        client = self._client
        if client is not None and client.is_connected:
            cure = "The server is there, but JetStream on it does not answer: see its log"
            if client._server_info.get("cluster"):
                cure += ". In a cluster more than half of the servers must run; start those that are missing"
        return (
            f"no answer for {self._timeout:g} s{said}. {cure}; what was kept before is still there"
        )


class _Unanswered(Exception):
    """There was no answer, and the same request may have one in a moment."""


def _is_unwelcome(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, ssl.SSLError) or any(word in said for word in _UNWELCOME)


def _seen(task: asyncio.Task[Client]) -> None:
    """Whoever waited for it may have been cancelled; nobody else needs to know."""
    if not task.cancelled():
        task.exception()


async def _give_up(connecting: asyncio.Future[Any], client: Client) -> None:
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await _end(client)


async def _end(client: Client) -> None:
    await client.close()
    # That does not wait for a new connection that it was about to make.
    connecting: asyncio.Task[None] | None = getattr(client, "_reconnection_task", None)
    if connecting is not None:
        connecting.cancel()
        await asyncio.wait({connecting})

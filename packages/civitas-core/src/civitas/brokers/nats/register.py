"""`Register`: a value that all can read, and that is replaced only by whoever knows what stands there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats.jetstream.refusals import NatsRefusal

if TYPE_CHECKING:
    from nats.aio.client import Client

__all__ = ["Away", "Bucket", "Register", "Stale", "Unavailable"]

_EXPECT = "Nats-Expected-Last-Subject-Sequence"
_TAKEN = (10058, 10065)
"""Of a name, by somebody who was quicker."""
_TOO_FEW = (10005, 10074)
"""Servers for so many replicas."""
_OFF = (10039, 10076)
"""JetStream is not enabled."""


class Away(Exception):
    """There is no answer at the moment. What was asked for may have been done."""


class Stale(Exception):
    """Something else stands there."""


class Unavailable(Away):
    """The server has no JetStream, or not for this user."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key-value bucket, of which only the newest value of each key is kept.

    Attributes:
        name: Its name.
        description: What people are told about it.
        replicas: On how many servers of a cluster it is, if there are so many; otherwise on one.
    """

    name: str
    description: str
    replicas: int = 3

    @property
    def stream(self) -> str:
        """The stream that holds it, as every client of NATS names it."""
        return f"KV_{self.name}"

    def subject(self, key: str) -> str:
        """Of a key."""
        return f"$KV.{self.name}.{key}"

    def configuration(self, replicas: int) -> dict[str, Any]:
        """That of a new one, in the words of the server."""
        return {
            "name": self.stream,
            "description": self.description,
            "metadata": {"civitas": "cluster"},
            "subjects": [self.subject(">")],
            "retention": "limits",
            "storage": "file",
            "num_replicas": replicas,
            "max_msgs_per_subject": 1,
            "discard": "new",
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            # It would read from a server that may be behind.
            "allow_direct": False,
        }


class Register:
    """One key of a bucket.

    Args:
        client: The connection; None while there is none.
        bucket: The bucket; made when it is missing.
        key: The key.
        timeout: Seconds for the server to answer.
    """

    def __init__(
        self, client: Callable[[], Client | None], bucket: Bucket, key: str, timeout: float
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._subject = bucket.subject(key)
        self._timeout = timeout

    async def make(self) -> None:
        """Make the bucket if it is missing.

        Raises:
            Away: There is no answer at the moment.
            Unavailable: There is no JetStream.
        """
        stream = self._bucket.stream
        try:
            await self._api(f"STREAM.INFO.{stream}")
        except NatsRefusal as error:
            if not error.is_gone:
                raise Away(str(error)) from error
            await self._create(stream)

    async def _create(self, stream: str, replicas: int | None = None) -> None:
        wanted = self._bucket.configuration(replicas or self._bucket.replicas)
        try:
            await self._api(f"STREAM.CREATE.{stream}", **wanted)
        except NatsRefusal as error:
            if error.code in _TOO_FEW and replicas is None:
                await self._create(stream, 1)
            elif error.code not in _TAKEN:
                raise Away(str(error)) from error

    async def read(self) -> tuple[int, bytes]:
        """The value, and its revision, which is 0 if there is none.

        Raises:
            Away: There is no answer at the moment.
            Unavailable: There is no JetStream.
        """
        stream = self._bucket.stream
        try:
            found = await self._api(f"STREAM.MSG.GET.{stream}", last_by_subj=self._subject)
        except NatsRefusal as error:
            if error.is_gone:
                await self._create(stream)
            elif not error.is_absent:
                raise Away(str(error)) from error
            return 0, b""
        message = found["message"]
        return int(message["seq"]), base64.b64decode(message.get("data", ""))

    async def write(self, value: bytes, revision: int) -> int:
        """Replace the value, and return the new revision.

        Args:
            value: The new one.
            revision: Of the one that is replaced; 0 for none.

        Raises:
            Stale: Another one stands there; it may be this one, where an answer was lost.
            Away: There is no answer at the moment.
            Unavailable: There is no JetStream.
        """
        try:
            found = await self._request(self._subject, value, {_EXPECT: str(revision)})
        except NatsRefusal as error:
            raise (Stale() if error.is_stale else Away(str(error))) from error
        return int(found["seq"])

    async def _api(self, what: str, **body: Any) -> dict[str, Any]:
        try:
            return await self._request(f"$JS.API.{what}", json.dumps(body).encode())
        except NatsRefusal as error:
            if error.code in _OFF:
                raise Unavailable("JetStream is not enabled for this account") from error
            raise

    async def _request(
        self, subject: str, payload: bytes, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        from nats.errors import NoRespondersError

        client = self._client()
        if client is None:
            raise Away("there is no connection")
        try:
            answer = await client.request(subject, payload, self._timeout, headers=headers)
            found: dict[str, Any] = json.loads(answer.data)
        except NoRespondersError:
            if client._server_info.get("jetstream"):
                raise Away("JetStream has no leader") from None
            raise Unavailable("the server has no JetStream") from None
        except Exception as error:  # whatever it is, the next try may succeed
            raise Away(str(error) or type(error).__name__) from error
        if "error" in found:
            raise NatsRefusal(found["error"])
        return found

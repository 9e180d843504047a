"""`NatsMailboxKeeper`: what the root alone does with the mailboxes of a system."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.jetstream import (
    JetStream,
    NatsRefusal,
    Purpose,
    ServerAway,
    StreamLimits,
    make_consumer,
    make_stream,
)
from civitas.errors import ConfigurationError
from civitas.transport.nats.mailboxes.names import MailboxNames

__all__ = ["NatsMailboxKeeper"]

_WINDOW = 10 * 60
"""Seconds in which a message that is put again is stored once."""
_ACK_WAIT = 30
"""Seconds after which the server delivers again by itself what nobody says to be in progress; the root is quicker."""
_CONSUMERS = 1_000_000
"""Said, as a server has a lower limit of its own for streams that say nothing."""
_NANO = 10**9


class NatsMailboxKeeper:
    """Makes streams and consumers, and takes messages back.

    Args:
        options: How to reach the server.
        names: What they are called.
        limits: Of the streams.
        system: Name of the system, for those who look at the server.
        patience: Seconds that the server is waited for.
        dead_letters: The stream of dead letters, in the words of the server.
    """

    def __init__(
        self,
        options: NatsOptions,
        names: MailboxNames,
        limits: StreamLimits,
        *,
        system: str,
        patience: float,
        dead_letters: Mapping[str, Any],
    ) -> None:
        self._dead_letters = dead_letters
        self._names = names
        self._limits = limits
        self._system = system
        purpose = Purpose(
            user="at_least_once",
            keeps="messages",
            subjects=f"{names.base}.>",
            error=ConfigurationError,
        )
        self._server = JetStream(options, f"KV_{names.bucket}", patience, purpose)
        self._where = options.where
        self._streams: set[int] = set()
        self._bucket_is_made = False

    async def open(self) -> None:
        """Reach the server; see `MailboxKeeper.open`."""
        await self._call("INFO")

    async def make(self, name: str, size: int, *, several: bool) -> str:
        """Make a stream and a consumer; see `MailboxKeeper.make`."""
        names = self._names
        address = names.address(name, size, several=several)
        try:
            if not self._streams:
                await make_stream(self._server, self._dead_letters)
            if size not in self._streams:
                await make_stream(self._server, self._stream(size))
                if not self._streams:
                    await make_stream(self._server, self._bodies())
                self._streams.add(size)
            await self._refuse_leftovers(name, size)
            await make_consumer(self._server, names.stream(address), self._consumer(name, address))
        except ServerAway as error:
            raise self._away(error) from error
        return address

    def _stream(self, size: int) -> dict[str, Any]:
        age = self._limits.max_age
        return {
            "name": self._names.stream_of(size),
            "subjects": [self._names.subjects_of(size)],
            "description": f"Mailboxes of {size} messages of the Civitas system {self._system!r}"[
                :1000
            ],
            "metadata": {"civitas": "mailboxes", "civitas.system": self._system},
            # What is acknowledged is gone: with other kinds a killed server may forget acknowledgements.
            "retention": "workqueue",
            "discard": "new",
            "discard_new_per_subject": True,
            "max_msgs_per_subject": size,
            "max_consumers": _CONSUMERS,
            "duplicate_window": round(min(_WINDOW, age or _WINDOW) * _NANO),
            **self._limits.settings(),
        }

    def _bodies(self) -> dict[str, Any]:
        return {
            "name": self._names.bodies,
            "subjects": [self._names.body("*", "*")],
            "description": f"Large messages of the Civitas system {self._system!r}, in pieces"[
                :1000
            ],
            "metadata": {"civitas": "bodies", "civitas.system": self._system},
            "discard": "new",
            "max_msgs_per_subject": 1,
            "duplicate_window": round(min(_WINDOW, self._limits.max_age or _WINDOW) * _NANO),
            **self._limits.settings(),
        }

    def _consumer(self, name: str, address: str) -> dict[str, Any]:
        return {
            "name": self._names.consumer(address),
            "description": f"Mailbox of the agent {name!r}"[:1000],
            "metadata": {"civitas": "mailbox", "civitas.agent": name},
            "filter_subject": self._names.filter(address),
            "ack_wait": _ACK_WAIT * _NANO,
            "max_ack_pending": -1,  # the reader asks for no more than it has room for
            "max_waiting": 512,
        }

    async def _refuse_leftovers(self, name: str, size: int) -> None:
        """Refuse to go on where the agent had another mailbox size, and something is still in that mailbox."""
        begin = f"{self._names.system}_mailboxes_"
        consumer = self._names.consumer(self._names.address(name, size, several=False))
        listed = await self._call("STREAM.NAMES", subject=f"{self._names.base}.mbox.>")
        for stream in listed.get("streams") or ():
            other = stream.removeprefix(begin)
            if not stream.startswith(begin) or not other.isdigit() or int(other) == size:
                continue
            try:
                found = await self._call(f"CONSUMER.INFO.{stream}.{consumer}")
            except NatsRefusal as error:
                if error.is_gone:
                    continue
                raise
            left = found["num_pending"] + found["num_ack_pending"]
            if left:
                raise ConfigurationError(
                    f"{name!r} has mailbox_size {size}, and {left} messages wait for it in its mailbox of {other}. "
                    f"Start it once more with mailbox_size: {other} until they are handled"
                )
            await self._call(f"CONSUMER.DELETE.{stream}.{consumer}")

    async def fence(self, address: str, *, look: bool) -> Sequence[bytes]:
        """Reset the consumer; see `MailboxKeeper.fence`."""
        where = f"{self._names.stream(address)}.{self._names.consumer(address)}"
        delivered = 0
        if look:
            info = await self._call(f"CONSUMER.INFO.{where}")
            if info["num_ack_pending"]:  # otherwise the server may still show what it took back
                delivered = int(info["delivered"]["stream_seq"])
        await self._call(f"CONSUMER.RESET.{where}")
        return await self._first_until(address, delivered) if delivered else ()

    async def _first_until(self, address: str, last: int) -> list[bytes]:
        """The first message of each subject, up to a place."""
        stream, pattern = self._names.stream(address), self._names.filter(address)
        found: dict[str, bytes] = {}
        at = 1
        while at <= last:
            try:
                answer = await self._call(f"STREAM.MSG.GET.{stream}", seq=at, next_by_subj=pattern)
            except NatsRefusal as error:
                if error.is_absent:
                    break
                raise
            message = answer["message"]
            if message["seq"] > last:
                break
            found.setdefault(message["subject"], base64.b64decode(message.get("data", "")))
            if not pattern.endswith(">"):
                break
            at = message["seq"] + 1
        return list(found.values())

    async def unfinished(self, address: str) -> int:
        """Ask the consumer; see `MailboxKeeper.unfinished`."""
        info = await self._call(
            f"CONSUMER.INFO.{self._names.stream(address)}.{self._names.consumer(address)}"
        )
        return int(info["num_pending"] + info["num_ack_pending"])

    async def noted(self, address: str) -> Mapping[str, int]:
        """Read the bucket; see `MailboxKeeper.noted`."""
        bucket = self._names.bucket
        try:
            answer = await self._call(
                f"STREAM.MSG.GET.KV_{bucket}",
                last_by_subj=f"$KV.{bucket}.given.{address.strip('.')}",
            )
        except NatsRefusal as error:
            if error.is_absent or error.is_gone:
                return {}
            raise
        found = json.loads(base64.b64decode(answer["message"].get("data", "")) or b"{}")
        return {str(key): int(value) for key, value in found.items()}

    async def note(self, address: str, counts: Mapping[str, int]) -> None:
        """Write into the bucket; see `MailboxKeeper.note`."""
        bucket = self._names.bucket
        try:
            if not self._bucket_is_made:
                await make_stream(self._server, self._bucket())
                self._bucket_is_made = True
            await self._server.request(
                f"$KV.{bucket}.given.{address.strip('.')}", json.dumps(counts).encode()
            )
        except ServerAway as error:
            raise self._away(error) from error

    def _bucket(self) -> dict[str, Any]:
        bucket = self._names.bucket
        limits = self._limits.settings()
        return {
            "name": f"KV_{bucket}",
            "subjects": [f"$KV.{bucket}.>"],
            "description": f"Deliveries of the Civitas system {self._system!r} that ended in a death"[
                :1000
            ],
            "metadata": {"civitas": "deliveries", "civitas.system": self._system},
            "max_msgs_per_subject": 1,
            "discard": "new",
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "storage": limits["storage"],
            "num_replicas": limits["num_replicas"],
        }

    async def remove(self, address: str) -> None:
        """Delete the consumer; see `MailboxKeeper.remove`."""
        try:
            if not await self.unfinished(address):
                await self._call(
                    f"CONSUMER.DELETE.{self._names.stream(address)}.{self._names.consumer(address)}"
                )
        except NatsRefusal as error:
            if not error.is_gone:
                raise

    async def close(self) -> None:
        """End it; see `MailboxKeeper.close`."""
        await self._server.close()

    async def _call(self, what: str, **body: Any) -> dict[str, Any]:
        try:
            return await self._server.api(what, **body)
        except ServerAway as error:
            raise self._away(error) from error

    def _away(self, error: ServerAway) -> ConfigurationError:
        return ConfigurationError(f"the NATS server {self._where} keeps the messages: {error}")

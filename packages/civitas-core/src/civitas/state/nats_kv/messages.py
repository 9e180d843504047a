"""The messages of a bucket: read, written if nobody else has, listed, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from civitas.brokers.nats.jetstream import ATTEMPT, JetStream, NatsRefusal
from civitas.errors import StateStoreError
from civitas.state.nats_kv.bucket import BucketOptions, check_not_former, check_same
from civitas.state.nats_kv.entries import ABSENT, KeptValue

__all__ = ["Messages"]

_EXPECT = "Nats-Expected-Last-Subject-Sequence"
_AT_ONCE = 4  # large messages under way at a time
_TAKEN = (10058, 10065)  # of a name, by somebody who was quicker
_LEFT = 4096  # bytes of a message for its subject and headers


class Messages:
    """The messages of one bucket, each by its subject behind the bucket's own.

    Args:
        server: That has it.
        bucket: The bucket.
    """

    def __init__(self, server: JetStream, bucket: BucketOptions) -> None:
        self._server = server
        self._bucket = bucket
        self._largest = 0  # that the bucket takes; 0 for no limit of its own

    async def open(self, *, make: bool) -> bool:
        """Look at the bucket, and make it if it is missing and `make` says so. Returns whether it is there.

        Raises:
            StateStoreError: It has settings that do not fit, or takes small messages only. Or it is missing, and what
                earlier versions of civitas-core called it is there.
        """
        stream = self._bucket.stream
        try:
            found = await self._server.api(f"STREAM.INFO.{stream}")
        except NatsRefusal as error:
            if not error.is_gone:
                raise
            await self._look_at_former()
            if not make:
                return False
            try:
                found = await self._server.api(
                    f"STREAM.CREATE.{stream}", **self._bucket.configuration()
                )
            except NatsRefusal as refused:
                if refused.code not in _TAKEN:
                    raise
                found = await self._server.api(f"STREAM.INFO.{stream}")
        config = found["config"]
        check_same(self._bucket, config)
        self._largest = max(config.get("max_msg_size", 0), 0)
        if self.room < _LEFT:
            raise StateStoreError(
                f"the bucket {self._bucket.name!r} and its server take messages of up to {self.room + _LEFT:,} bytes, "
                f"and a state store needs {2 * _LEFT:,}. Raise max_payload of the server, or max_msg_size of the bucket"
            )
        return True

    async def _look_at_former(self) -> None:
        if self._bucket.former is None:
            return
        try:
            found = await self._server.api(f"STREAM.INFO.KV_{self._bucket.former}")
        except NatsRefusal as error:
            if not error.is_gone:
                raise
        else:
            check_not_former(self._bucket, found["config"])

    @property
    def room(self) -> int:
        """Bytes of a value that fits into one message."""
        largest = self._server.largest
        return min(largest, self._largest or largest) - _LEFT

    async def last(self, subject: str) -> KeptValue:
        """The newest message of a subject, read where it is written: a replica may be behind."""
        try:
            found = await self._server.api(
                f"STREAM.MSG.GET.{self._bucket.stream}", last_by_subj=self._bucket.subject + subject
            )
        except NatsRefusal as error:
            if error.is_absent:
                return ABSENT
            raise
        return KeptValue.of(found["message"])

    async def put(
        self, subject: str, payload: bytes, headers: dict[str, str], *, expect: int | None = None
    ) -> int:
        """Write a message, and return its revision.

        Args:
            subject: Where.
            payload: What.
            headers: Likewise.
            expect: The revision that it replaces, 0 if there is none; None: whatever is there.

        Raises:
            NatsRefusal: The newest message is another one (`is_stale`), or it cannot be written.
        """
        if expect is not None:
            headers = {**headers, _EXPECT: str(expect)}
        whole = self._bucket.subject + subject
        attempt = ATTEMPT if len(payload) <= 64 * 1024 else 5 * ATTEMPT
        answer = await self._server.request(whole, payload, headers or None, attempt=attempt)
        return int(answer["seq"])

    async def subjects(self, pattern: str) -> list[str]:
        """The subjects that fit a filter."""
        found: list[str] = []
        begin = len(self._bucket.subject)
        while True:
            page = await self._server.api(
                f"STREAM.INFO.{self._bucket.stream}",
                subjects_filter=self._bucket.subject + pattern,
                offset=len(found),
            )
            listed = page["state"].get("subjects") or {}
            found += [subject[begin:] for subject in listed]
            if not listed or len(found) >= page.get("total", 0):
                return found

    async def remove(self, pattern: str, up_to: int | None = None) -> int:
        """Remove what fits a filter; returns how many messages that were.

        Args:
            pattern: The filter, or a subject.
            up_to: The newest revision to remove; None for all.
        """
        body: dict[str, object] = {"filter": self._bucket.subject + pattern}
        if up_to is not None:
            body["seq"] = up_to + 1
        answer = await self._server.api(f"STREAM.PURGE.{self._bucket.stream}", **body)
        return int(answer.get("purged", 0))

    async def put_pieces(self, subject: str, pieces: Iterable[bytes]) -> int:
        """Write the pieces of a value at `subject`, a few at a time; returns how many there are.

        Raises:
            NatsRefusal: One was refused. None is on its way any more: what is stored can be removed.
        """
        waiting = enumerate(pieces)
        written = 0
        failures: list[Exception] = []

        async def write() -> None:
            nonlocal written
            for number, piece in waiting:
                try:
                    await self.put(f"{subject}.{number}", piece, {})
                except Exception as error:
                    failures.append(error)
                if failures:
                    return
                written += 1

        await _together(write() for _ in range(_AT_ONCE))
        if failures:
            # Where one has no answer, it may be stored later: that is not a plain refusal.
            raise min(failures, key=lambda each: isinstance(each, NatsRefusal))
        return written

    async def pieces(self, subject: str, count: int) -> list[bytes] | None:
        """The pieces of a value; None if one of them is not there any more."""
        found: list[bytes | None] = [None] * count
        waiting = iter(range(count))

        async def read() -> None:
            for number in waiting:
                found[number] = (await self.last(f"{subject}.{number}")).raw
                if found[number] is None:
                    return

        await _together(read() for _ in range(_AT_ONCE))
        whole = [piece for piece in found if piece is not None]
        return whole if len(whole) == count else None


async def _together(calls: Iterable[object]) -> None:
    """Await all of them; where one fails, the others end with it."""
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)  # type: ignore[arg-type]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None

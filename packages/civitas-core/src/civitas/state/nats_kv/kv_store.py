"""A state store in a key-value bucket of a NATS server, for agents on any number of machines."""

from __future__ import annotations

import asyncio
import itertools
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from civitas.brokers.nats.jetstream import JetStream, NatsRefusal, Purpose
from civitas.errors import CivitasError, ConfigurationError, StateConflict, StateStoreError
from civitas.state.nats_kv.bucket import checked_bucket
from civitas.state.nats_kv.entries import ABSENT, KEY, PIECES, WRITE, KeptValue
from civitas.state.nats_kv.key_subjects import LONG, key_of_subject, listing_of, subject_of, written
from civitas.state.nats_kv.large_values import LargeValues
from civitas.state.nats_kv.messages import Messages
from civitas.state.nats_kv.refusals import explain
from civitas.state.store import check_key
from civitas.state.values import decode_value, encode_value

__all__ = ["NatsKVStateStore"]

_PURPOSE = Purpose(
    user="the state store",
    keeps="state",
    subjects="the subjects of the bucket",
    error=StateStoreError,
)
_REMEMBERED = 4096  # keys whose revision is known without asking

_Result = TypeVar("_Result")


class NatsKVStateStore:
    """Keeps state in a bucket of a NATS server or cluster with JetStream: it outlives processes and machines.

    `set` and `delete` return when the server has stored it. Any number of processes on any number of machines may use
    one bucket, and with `compare_and_set` nobody overwrites what it never read. A value that does not fit into one
    message is kept in several, and seen as a whole or not at all.

    The server is reached at the first call, and the bucket made at the first that writes, or by `open`. A bucket that
    is there is never changed. A server that is away is waited for. Use one store from one event loop; `close` ends its
    connection.

    Args:
        servers: URLs of the servers of one cluster; ``nats://127.0.0.1:4222`` by default.
        bucket: Name of the bucket: letters, digits, ``-`` and ``_``.
        prefix: Put before the name of the bucket, with a ``-``, so that systems share a server: words as in a bucket,
            with dots between them. A dash or dot in it is written ``_2D`` or ``_2E``.
        context: Name of a context of the command `nats`, which says how the server is reached.
        user: With `password`.
        password: With `user`.
        token: Instead of both.
        nkey: File with the seed of a user.
        credentials: File with the JWT and the seed of a user.
        tls: Files, as ``{"ca": ..., "cert": ..., "key": ...}``.
        storage: ``"file"`` (default) or ``"memory"``, which a restart of the server empties.
        replicas: On how many servers of a cluster each value is; 1 by default, and 3 survives the loss of one.
        max_bytes: The most that the bucket holds; no limit by default.
        timeout: Seconds that each call waits for a server that is away.

    Raises:
        ConfigurationError: An argument does not fit, or nats-py is not installed.

    Every method raises `StateStoreError` if the bucket cannot be used; it names the server and the cure.
    """

    spans_machines = True

    def __init__(
        self,
        servers: str | Sequence[str] | None = None,
        *,
        bucket: str,
        prefix: str | None = None,
        context: str | None = None,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        nkey: str | None = None,
        credentials: str | None = None,
        tls: Mapping[str, str] | None = None,
        storage: str | None = None,
        replicas: int | None = None,
        max_bytes: int | None = None,
        timeout: float = 10.0,
    ) -> None:
        from civitas.brokers.nats import NatsOptions

        given = {
            "servers": servers,
            "context": context,
            "user": user,
            "password": password,
            "token": token,
            "nkey": nkey,
            "credentials": credentials,
            "tls": tls,
        }
        options = NatsOptions.of({key: value for key, value in given.items() if value is not None})
        options.keywords()  # what is missing is said now
        wanted = checked_bucket(bucket, prefix, storage, replicas, max_bytes)
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise ConfigurationError(
                f"NatsKVStateStore: timeout must be a number of seconds; got {timeout!r}"
            )
        if not timeout > 0:
            raise ConfigurationError(
                f"NatsKVStateStore: timeout must be more than 0 seconds; got {timeout!r}"
            )
        self.bucket = wanted.name
        self.where = options.where
        self._wanted = wanted
        self._options, self._timeout = options, timeout
        self._reset()
        self._closed = False
        self._busy = 0
        self._idle = asyncio.Event()

    def _reset(self) -> None:
        self._server = JetStream(self._options, self._wanted.stream, self._timeout, _PURPOSE)
        self._messages = Messages(self._server, self._wanted)
        self._large = LargeValues(self._messages)
        self._ready = False
        self._opening = asyncio.Lock()
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._seen: OrderedDict[str, KeptValue] = OrderedDict()  # without their values
        self._unsure: dict[str, set[str]] = {}  # words of writes whose answer was lost
        self._words = map(f"{uuid.uuid4().hex}-{{}}".format, itertools.count())

    async def open(self) -> None:
        """Reach the server and make the bucket now rather than at the first call; again after `close`."""
        if self._closed:
            self._closed = False
            self._reset()
        await self._call(None, self._be_ready)

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None if there is none."""
        return (await self.get_with_revision(key))[0]

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision for `compare_and_set`; None and 0 if there is none."""
        check_key(key)
        entry = await self._call(key, lambda: self._read(key))
        return None if entry.raw is None else decode_value(entry.raw, key), entry.revision

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`; the server has it when this returns.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it. Or it is larger than 64 MiB.
            StateStoreError: It was not saved.
        """
        raw = encode_value(value)
        await self._call(check_key(key), lambda: self._replace(key, raw, None))

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store `value` under `key` if what is there has this revision; return the new one.

        Args:
            key: The key.
            value: The value.
            revision: What `get_with_revision` or this returned; 0 if nothing may be there.

        Raises:
            StateConflict: Somebody else has written meanwhile; what they wrote stays.
            PayloadError: As for `set`.
            StateStoreError: It was not saved.
        """
        raw = encode_value(value)
        return await self._call(check_key(key), lambda: self._replace(key, raw, revision))

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; gone from the server when this returns."""
        await self._call(check_key(key), lambda: self._delete(key))

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        return await self._call(None, lambda: self._list(prefix))

    async def close(self) -> None:
        """Let the calls end that are under way, and the connection. May be called twice."""
        self._closed = True
        while self._busy:
            self._idle.clear()
            await self._idle.wait()
        await self._server.close()

    def __repr__(self) -> str:
        return f"<NatsKVStateStore {self.bucket!r} at {self.where}>"

    async def _call(self, key: str | None, work: Callable[[], Awaitable[_Result]]) -> _Result:
        if self._closed:
            raise StateStoreError(
                f"the state store, bucket {self.bucket!r} of the NATS server {self.where}, is closed; "
                "make a new NatsKVStateStore",
                key=key,
            )
        self._busy += 1
        try:
            return await work()
        except CivitasError:
            raise
        except Exception as error:
            raise explain(self.where, self.bucket, error, key) from error
        finally:
            self._busy -= 1
            self._idle.set()

    async def _be_ready(self, *, make: bool = True) -> bool:
        """Have the bucket looked at, once; whether it is there."""
        if not self._ready:
            async with self._opening:
                await self._prepare(make)
        return self._ready

    async def _prepare(self, make: bool) -> None:
        if self._ready:
            return  # somebody else was here first
        self._ready = await self._messages.open(make=make)
        if self._ready:
            await self._large.clean()

    async def _read(self, key: str) -> KeptValue:
        if not await self._be_ready(make=False):
            return ABSENT
        missing = None
        while True:
            entry = await self._look(key)
            if entry.pieces is None:
                return entry
            raw = await self._large.whole(key, entry)
            if raw is not None:
                return _with(entry, raw)
            if missing == entry.revision:
                raise StateStoreError(
                    f"what is stored under {key!r} in bucket {self.bucket!r} is not whole; restore the bucket from a "
                    "backup, or delete the key to start afresh",
                    key=key,
                )
            missing = entry.revision  # replaced while it was read, if all is well

    async def _look(self, key: str) -> KeptValue:
        entry = await self._messages.last(subject_of(key))
        self._remember(key, entry)
        return entry

    def _remember(self, key: str, entry: KeptValue) -> None:
        self._seen[key] = _with(entry, None)
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _turn(self, key: str) -> asyncio.Lock:
        """Writes of one key take effect in the order in which they began."""
        return self._turns.setdefault(key, asyncio.Lock())

    async def _replace(self, key: str, raw: bytes, expect: int | None) -> int:
        async with self._turn(key):
            await self._be_ready()
            base = self._seen.get(key, ABSENT)
            if expect is not None and expect != base.revision:
                base = await self._look(key)
                self._check(key, base, expect)
            entry = await self._write(key, raw, base, expect)
            self._unsure.pop(key, None)
            self._remember(key, entry)
            await self._large.clean(key)
            return entry.revision

    def _check(self, key: str, found: KeptValue, expect: int) -> None:
        if found.revision != expect and found.write not in self._unsure.get(key, ()):
            raise StateConflict(key, expect, found.revision)

    async def _write(self, key: str, raw: bytes, base: KeptValue, expect: int | None) -> KeptValue:
        """Write over `base`, or over what is there instead if nothing is expected."""
        subject = subject_of(key)
        while True:
            # Until there is an answer it may be stored all the same, later even.
            word = next(self._words)
            self._unsure.setdefault(key, set()).add(word)
            self._seen.pop(key, None)
            headers = {WRITE: word}
            if subject.startswith(LONG):
                headers[KEY] = written(key)
            upload = None
            if len(raw) > self._messages.room - len(headers.get(KEY, "")):
                upload = await self._large.upload(key, raw, base, word)
                headers[PIECES] = f"{upload.id} {upload.count}"
            try:
                revision = await self._messages.put(
                    subject, b"" if upload else raw, headers, expect=base.revision
                )
            except NatsRefusal as error:
                found = await self._look(key) if error.is_stale else None
                if found is None or found.write != word:
                    self._unsure[key].discard(word)
                    if upload is not None:
                        await self._large.drop(upload)
                    if found is None:
                        raise
                    if expect is not None:
                        self._check(key, found, expect)
                    base = found
                    continue
                revision = found.revision  # ours is there, and only the answer was lost
            entry = KeptValue(revision, word, pieces=upload.id if upload else None)
            if upload is None:
                await self._large.remove(key, base.pieces)
            elif not await self._large.finish(upload, base):
                base = entry
                continue
            return entry

    async def _delete(self, key: str) -> None:
        async with self._turn(key):
            if not await self._be_ready(make=False):
                return
            entry = self._seen.pop(key, ABSENT)
            left = set()
            # A revision that was remembered may not be the newest one any more.
            while True:
                entry = entry if entry.revision else await self._messages.last(subject_of(key))
                left.add(entry.pieces)
                if not entry.revision or await self._messages.remove(
                    subject_of(key), entry.revision
                ):
                    break
                entry = ABSENT
            for id in left:
                await self._large.remove(key, id)
            await self._large.clean(key)

    async def _list(self, prefix: str) -> list[str]:
        if not await self._be_ready(make=False):
            return []
        short, long = await asyncio.gather(
            self._messages.subjects(listing_of(prefix)), self._messages.subjects(f"{LONG}.>")
        )
        found = [key for key in map(key_of_subject, short) if key is not None]
        for subject in long:
            key = (await self._messages.last(subject)).key
            found += [whole] if key and (whole := key_of_subject(key)) else []
        return sorted(key for key in found if key.startswith(prefix))


def _with(entry: KeptValue, raw: bytes | None) -> KeptValue:
    return replace(entry, raw=raw)

"""A state store on a Redis server."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from civitas import ConfigurationError, StateConflict
from civitas.state import StoreCalls
from civitas.state.store import check_key
from civitas.state.values import decode_value, encode_changes
from civitas_redis.durability import check_durability
from civitas_redis.refusals import explain

__all__ = ["RedisStateStore"]

_REVISION = 16
"""Hex digits of a revision, which stand before a value."""


class RedisStateStore:
    """Keeps state on a Redis server, or one that speaks its protocol, such as Valkey.

    Each change is one script, so that the server makes all of it or none. How much outlives the server's end is what
    its settings say: with ``appendonly yes`` and ``appendfsync always`` everything that was acknowledged; otherwise the
    store logs a warning that says what may be lost. A server that is away is waited for.

    Any number of processes on any number of machines may use one server; those with the same `prefix` share what is
    there. Use one store from one event loop.

    Args:
        url: The server, as ``redis://user:password@host:6379/0``, ``rediss://...`` with TLS or ``unix:///path``.
        prefix: What every key on the server begins with.
        connections: The most that are open at once.
        timeout: Seconds that each call waits for a server that is away.

    Raises:
        ConfigurationError: An argument does not fit.

    Every method raises `StateStoreError` if the server cannot be used; it names the server and what to do.
    """

    spans_machines = True

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        prefix: str = "civitas:",
        connections: int = 16,
        timeout: float = 10.0,
    ) -> None:
        _check("connections", connections, int, "a whole number, 1 or more")
        _check("timeout", timeout, (int, float), "a number of seconds, more than 0")
        if not isinstance(prefix, str):
            raise ConfigurationError(f"RedisStateStore: prefix must be text; got {prefix!r}")
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=connections,
                timeout=timeout,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                # By itself redis-py would send a script again, which then cannot know that it was there before.
                retry=Retry(NoBackoff(), 0),
            )
            place = pool.make_connection()  # type: ignore[no-untyped-call]
        except Exception as error:
            # Not with the url or the error, which may show a password.
            raise ConfigurationError(
                "RedisStateStore: url must be like redis://user:password@host:6379/0, rediss://... or unix:///path, "
                f"and have only options that redis-py knows ({type(error).__name__})"
            ) from None
        self.prefix = prefix
        self.where = f"the state store on the Redis server {_readable(place)}"
        self._redis = Redis(connection_pool=pool)
        script = files(__package__).joinpath("write.lua").read_text()
        self._script = self._redis.register_script(script)
        self._values, self._index = f"{prefix}state:", f"{prefix}keys"
        self._calls = StoreCalls(self.where, timeout=timeout)
        self._opening, self._ready = asyncio.Lock(), False
        # A writer of its own in the upper digits and a count in the lower 7: each is above the one before.
        self._revisions = itertools.count((random.getrandbits(34) << 28) + 1)

    async def open(self) -> None:
        """Reach the server, and look at its settings and the user's rights, now rather than at the first call.

        Again after `close`.
        """
        self._calls.open()

        async def attempt() -> None:
            await self._redis.ping()
            await self._redis.script_load(self._script.script)
            try:
                # No key is empty, so nothing is there.
                await self._script([self._index, self._values], [0, "", "", "try", "", ""])
            except ResponseError as error:
                # What may pass does not stop those who read: a replica, say, may become the primary.
                if not explain(self.where, error).transient:
                    raise

        await self._call(attempt)

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, a copy; None if there is none."""
        return (await self.get_with_revision(key))[0]

    async def get_with_revision(self, key: str) -> tuple[dict[str, Any] | None, int]:
        """The value under `key`, and its revision for `compare_and_set`; None and 0 if there is none."""
        name = self._values + check_key(key)
        raw = await self._call(lambda: self._redis.get(name), key=key)
        if raw is None:
            return None, 0
        return decode_value(raw[_REVISION:], key), int(raw[:_REVISION], 16)

    async def get_many(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The values under `keys`, copies; a key under which nothing is, is left out."""
        wanted = [check_key(key) for key in keys]
        if not wanted:
            return {}
        names = [self._values + key for key in wanted]
        found = await self._call(lambda: self._redis.mget(names))
        return {
            key: decode_value(raw[_REVISION:], key)
            for key, raw in zip(wanted, found, strict=True)
            if raw is not None
        }

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value` under `key`; the server has it when this returns.

        Raises:
            PayloadError: Something in it is not plain data; names the path to it.
            StateStoreError: It was not saved.
        """
        await self.write({key: value})

    async def compare_and_set(self, key: str, value: Mapping[str, Any], revision: int) -> int:
        """Store `value` if what is there has this revision, 0 for nothing; return the new one.

        Raises:
            StateConflict: Somebody else has written meanwhile; what they wrote stays.
            PayloadError: As for `set`.
            StateStoreError: As for `set`.
        """
        return (await self.write({key: value}, expect={key: revision}))[key]

    async def write(
        self, changes: Mapping[str, Mapping[str, Any] | None], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        """Make all of `changes`, or none; see `BatchStore`.

        Raises:
            StateConflict: Something else is there than was expected.
            PayloadError: As for `set`.
            StateStoreError: Nothing was changed, as far as the server has answered.
        """
        encoded: dict[str, Any] = encode_changes(changes)
        keys = [*encoded, *(check_key(key) for key in expect if key not in encoded)]
        if not keys:
            return {}
        names = [self._index, *(self._values + key for key in keys)]
        revision = next(self._revisions)
        arguments: list[Any] = []
        for key in keys:
            action = "look" if key not in encoded else "delete" if encoded[key] is None else "set"
            expected = "" if key not in expect else _written(expect[key]) if expect[key] else "0"
            arguments += (key, expected, action, _written(revision), encoded.get(key) or b"")
        tries = itertools.count()

        async def attempt() -> Any:
            return await self._script(names, [min(next(tries), 1), *arguments])

        conflict = await self._call(attempt, keys, keys[0] if len(keys) == 1 else None)
        if conflict:
            key, found = keys[conflict[0] - 1], int(conflict[1], 16)
            raise StateConflict(key, expect[key], found)
        return {key: revision for key, raw in encoded.items() if raw is not None}

    async def delete(self, key: str) -> None:
        """Forget what is under `key`; gone from the server when this returns."""
        await self.write({key: None})

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        first = prefix.encode()
        # No byte of UTF-8 is the last one that there is.
        behind = b"(" + first[:-1] + bytes([first[-1] + 1]) if first else b"+"
        listing = self._redis.zrangebylex
        found = await self._call(lambda: listing(self._index, b"[" + first, behind))
        return [name.decode() for name in found]

    async def close(self) -> None:
        """Let the calls end that are under way, and the connections. May be called twice."""
        await self._calls.close()
        await self._redis.aclose(close_connection_pool=True)
        self._ready = False

    def __repr__(self) -> str:
        return f"<RedisStateStore {self._values}* on {self.where}>"

    async def _call(
        self,
        command: Callable[[], Awaitable[Any] | Any],
        keys: Iterable[str] = (),
        key: str | None = None,
    ) -> Any:
        async def attempt() -> Any:
            try:
                async with self._opening:
                    if not self._ready:
                        await check_durability(self._redis, self.where)
                        self._ready = True
                return await command()
            except (RedisError, OSError) as error:
                raise explain(self.where, error, key) from error

        return await self._calls.run(attempt, keys=keys)


def _written(revision: int) -> str:
    return f"{revision:0{_REVISION}x}"


def _readable(connection: Any) -> str:
    """Where a connection leads, without a password."""
    path = getattr(connection, "path", None)
    return path or f"{connection.host}:{connection.port}/{connection.db}"


def _check(name: str, value: Any, kinds: Any, must: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
        raise ConfigurationError(f"RedisStateStore: {name} must be {must}; got {value!r}")

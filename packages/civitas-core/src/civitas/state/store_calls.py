"""`StoreCalls`: what a state store on a server needs beside what it says to the server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from civitas.errors import StateStoreError

__all__ = ["StoreCalls"]

logger = logging.getLogger("civitas")

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 0.5

_Result = TypeVar("_Result")


class StoreCalls:
    """The calls of one state store: in order, waited for, and finished before the store is closed.

    - Calls that name the same key run one after another, in the order in which they began; others run at once.
    - An attempt that raises `StateStoreError` with ``transient=True`` is made again, until `timeout` seconds after the
      call began. So it must find out for itself whether an earlier one of the same call was done after all.
    - A caller that is cancelled does not take its call along: what was begun is finished, in its turn.
    - `close` waits for what was begun; later calls are refused.

    Use it from one event loop.

    Args:
        where: The store, as an error calls it: ``the state store redis://10.0.0.5:6379/0``.
        timeout: Seconds.
    """

    def __init__(self, where: str, *, timeout: float = 10.0) -> None:
        self._where = where
        self._timeout = timeout
        self._last: dict[str, asyncio.Task[Any]] = {}  # of each key, the call that began last
        self._running: set[asyncio.Task[Any]] = set()
        self._away_since: float | None = None
        self._closed = False

    async def run(
        self, attempt: Callable[[], Awaitable[_Result]], *, keys: Iterable[str] = ()
    ) -> _Result:
        """Make a call.

        Args:
            attempt: Makes it once.
            keys: What it writes.

        Raises:
            StateStoreError: The store is closed.
            Exception: What the last attempt raised.
        """
        keys = list(keys)
        if self._closed:
            raise StateStoreError(f"{self._where} is closed; open it again, or make a new one")
        before = {self._last[key] for key in keys if key in self._last}
        call = asyncio.get_running_loop().create_task(self._call(attempt, before))
        self._running.add(call)
        self._last.update(dict.fromkeys(keys, call))
        call.add_done_callback(lambda _: self._ended(call, keys))
        return await asyncio.shield(call)

    def open(self) -> None:
        """Take calls, also after `close`."""
        self._closed = False

    async def close(self) -> None:
        """Refuse further calls, and wait for those that have begun. May be called twice."""
        self._closed = True
        while self._running:
            await asyncio.wait(self._running)

    async def _call(
        self, attempt: Callable[[], Awaitable[_Result]], before: set[asyncio.Task[Any]]
    ) -> _Result:
        until = time.monotonic() + self._timeout
        if before:
            await asyncio.wait(before)
        wait = _FIRST_WAIT
        while True:
            try:
                result = await attempt()
            except StateStoreError as error:
                if not error.transient or time.monotonic() + wait > until:
                    raise
                self._is_away(error)
            else:
                self._is_back()
                return result
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _ended(self, call: asyncio.Task[Any], keys: Iterable[str]) -> None:
        self._running.discard(call)
        for key in keys:
            if self._last.get(key) is call:
                del self._last[key]
        if not call.cancelled():
            call.exception()  # its caller may have been cancelled, and then nobody else looks at it

    def _is_away(self, error: StateStoreError) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            logger.warning("waiting for the state store, up to %g s: %s", self._timeout, error)

    def _is_back(self) -> None:
        if self._away_since is not None:
            away, self._away_since = time.monotonic() - self._away_since, None
            logger.warning("%s is back after %.1f s", self._where, away)

"""`RecentRecords`: what is known of the conversations that were used of late, so that it is not read again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from civitas.state import LongRecord

__all__ = ["RecentRecords"]

_MOST = 64 * 1024 * 1024
"""Bytes of what is known, as they are stored."""
_EACH = 1024  # what a conversation takes beside its pieces


class RecentRecords:
    """The conversations that were used of late, up to some 64 MiB of them; one for each OS process.

    A run takes its conversation out, and puts it back when it has ended well. So nothing stays of one that fails.
    """

    def __init__(self) -> None:
        self._most = _MOST
        self._known: OrderedDict[str, tuple[LongRecord, int]] = OrderedDict()
        self._size = 0
        self._in_use: Counter[str] = Counter()
        self._held: dict[str, asyncio.Future[None]] = {}
        self._due: dict[str, float] = {}

    @classmethod
    def of(cls, node: object) -> RecentRecords:
        """That of an OS process."""
        return _of_nodes.setdefault(node, cls())

    @asynccontextmanager
    async def using(self, key: str) -> AsyncIterator[None]:
        """Inside the block a run uses the conversation under `key`."""
        while (held := self._held.get(key)) is not None:
            await asyncio.shield(held)
        self._in_use[key] += 1
        try:
            yield
        finally:
            self._in_use[key] -= 1
            if not self._in_use[key]:
                del self._in_use[key]

    def is_in_use(self, key: str) -> bool:
        """Whether a run in this OS process uses the conversation under `key`."""
        return key in self._in_use

    @contextmanager
    def holding(self, key: str) -> Iterator[bool]:
        """Inside the block no run in this OS process uses the conversation under `key`; False if one does."""
        if key in self._in_use or key in self._held:
            yield False
            return
        held = self._held[key] = asyncio.get_running_loop().create_future()
        try:
            yield True
        finally:
            del self._held[key]
            held.set_result(None)

    def is_due(self, what: str, every: float) -> bool:
        """Whether something is to be done now in this OS process; then it is not again for `every` seconds."""
        now = time.monotonic()
        if now < self._due.get(what, now):
            return False
        self._due[what] = now + every
        return True

    def is_due_again(self, what: str) -> None:
        """It was not done."""
        del self._due[what]

    def take(self, key: str) -> LongRecord | None:
        """What is known of the conversation under `key`, which is not known any more."""
        known, size = self._known.pop(key, (None, 0))
        self._size -= size
        return known

    def put(self, known: LongRecord) -> None:
        """A conversation was kept; those that were used least of late make room for it."""
        self.take(known.key)
        size = known.size + _EACH
        self._known[known.key] = known, size
        self._size += size
        while self._size > self._most:
            self.take(next(iter(self._known)))


_of_nodes: WeakKeyDictionary[object, RecentRecords] = WeakKeyDictionary()

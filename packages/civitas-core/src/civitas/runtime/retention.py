"""`Sweeper`: drops conversations that nobody has used for long, in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from civitas.errors import StateConflict
from civitas.frameworks.conversations import CONVERSATION, forget
from civitas.frameworks.recent import RecentRecords
from civitas.node import Node
from civitas.state import StateStore
from civitas.state.heads import written
from civitas.state.in_order import is_piece, read_many

__all__ = ["Sweeper"]

logger = logging.getLogger("civitas")

_SEEN = "civitas:unused"
"""Key of a note: when conversations were first seen that an earlier version kept, and that say nothing of it."""
_AT_ONCE = 200
_LONGEST_WAIT = 3600.0


class Sweeper:
    """Drops the conversations of adapters that nobody has used for a time, from the start of a system to its stop.

    One that a run is using is left alone: in this OS process it is known, and in others the run has claimed it.

    Args:
        node: Of the root, with the state store.
        now: Unix seconds.
    """

    def __init__(self, node: Node, now: Callable[[], float] = time.time) -> None:
        self._node = node
        self._now = now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if conversations are not kept for ever."""
        if self._node.retention.keep is None:
            return
        if not callable(getattr(self._node.store, "keys", None)):
            logger.warning(
                "conversations: keep has no effect, as the state store %s cannot list its keys: it has no keys(prefix)",
                type(self._node.store).__name__,
            )
            return
        self._task = self._node.loop.create_task(self._sweep_for_ever(self._node.retention.keep))

    async def stop(self) -> None:
        """End; what is being dropped is dropped as a whole or not at all."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _sweep_for_ever(self, keep: float) -> None:
        while True:
            try:
                await self.sweep(keep)
            except Exception as error:
                logger.warning("conversations that nobody uses could not be dropped: %s", error)
            await asyncio.sleep(min(_LONGEST_WAIT, keep / 10))

    async def sweep(self, keep: float) -> int:
        """Drop what nobody has used for `keep` seconds; returns how many conversations that were."""
        store: Any = self._node.store
        since = self._now() - keep
        seen: dict[str, float] = (await store.get(_SEEN) or {}).get("seen", {})
        still: dict[str, float] = {}
        dropped = 0
        for keys in _parts([key for key in await store.keys(CONVERSATION) if not is_piece(key)]):
            for key, head in (await read_many(store, keys)).items():
                used: float | None = written(head)
                if used is None:
                    used = still[key] = seen.get(key, self._now())
                if used < since and await self._drop(store, key, since):
                    still.pop(key, None)
                    dropped += 1
        if still != seen:
            await store.set(_SEEN, {"seen": still})
        if dropped:
            logger.info("%d conversations that nobody used for %g s were dropped", dropped, keep)
        return dropped

    async def _drop(self, store: StateStore, key: str, since: float) -> bool:
        if RecentRecords.of(self._node).is_in_use(key):
            return False
        try:
            return await forget(store, key, unused_since=since)
        except StateConflict:
            return False  # somebody uses it


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[begin : begin + _AT_ONCE] for begin in range(0, len(keys), _AT_ONCE))

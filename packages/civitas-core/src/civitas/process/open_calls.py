"""`OpenCalls`: which calls of a message have begun, noted before each begins."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from civitas.state.in_order import write_in_order
from civitas.state.patience import patiently, saved_under

if TYPE_CHECKING:
    from collections.abc import Mapping

    from civitas.process.ambiguous import CallNote
    from civitas.state import StateStore

__all__ = ["OpenCalls"]

logger = logging.getLogger("civitas")

_SOON = 0.1
"""Seconds that a result waits for the note of the next call, to be written with that."""


class OpenCalls:
    """The calls of one message that have begun and whose results are not recorded.

    They stand in one record. It is written before a call begins, together with the results of those that ended since:
    so a call costs one commit, and calls that begin together share one. A result that no further call takes along is
    written by itself after a moment.

    Args:
        store: Where.
        key: Of the record.
        agent: Name of the agent.
    """

    def __init__(self, store: StateStore, key: str, agent: str) -> None:
        self.key = key
        self.calls: dict[str, dict[str, Any]] = {}
        """What was noted of each call, by what names it within the message."""
        self._store = store
        self._agent = agent
        self._results: dict[str, dict[str, Any]] = {}
        self._lock = asyncio.Lock()
        self._changes = self._written = 0
        self._timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None
        self._loaded = self._closed = False

    async def load(self) -> None:
        """Read what earlier incarnations noted."""
        if not self._loaded:
            found = await saved_under(self._store, self.key, self._agent)
            self.calls = dict(found["calls"]) if found is not None else {}
            self._loaded = True

    def result(self, where: str) -> Mapping[str, Any] | None:
        """The result for this place of the store, if it is not written yet."""
        return self._results.get(where)

    async def begins(
        self,
        key: str,
        note: CallNote,
        beside: Mapping[str, dict[str, Any]] | None = None,
        *,
        late: bool,
    ) -> None:
        """A call begins when this returns; that is in the store then.

        Args:
            key: Names it within the message.
            note: What it is.
            beside: What is written with it.
            late: Whether nobody is asked before the handler comes to it.
        """
        self.calls[key] = note.plain(time.time(), late=late)
        self._changes += 1
        await self.save(beside)

    def start_over(self) -> None:
        """What is noted counts no more, and is being dropped."""
        self.calls, self._results = {}, {}
        self._written = self._changes

    def ended(self, key: str, where: str = "", result: dict[str, Any] | None = None) -> None:
        """A call has ended: with a result, for this place of the store, or without one.

        That is written soon, and by itself only if nothing else is.
        """
        self.calls.pop(key, None)
        if result is not None:
            self._results[where] = result
        self._changes += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._begin_to_save)

    def write_with_it(self, beside: Mapping[str, dict[str, Any]]) -> None:
        """What is to be in the store when the result is of the call that has just ended."""
        self._results.update(beside)

    def dropped(self, place: str) -> None:
        """What is in this place of the store, or would be, is not needed any more."""
        self._results.pop(place, None)
        if place == self.key:
            self.calls = {}
            if not self._results:
                self._written = self._changes

    async def save(self, further: Mapping[str, dict[str, Any] | None] | None = None) -> None:
        """Write what has changed, and `further` keys with it.

        Raises:
            StateStoreError: It was not written.
        """
        mine = self._changes
        async with self._lock:
            if self._closed or (self._written >= mine and not further):
                return  # somebody else wrote it
            changes, results = self._changes, dict(self._results)
            record = {"calls": dict(self.calls)} if self.calls else None
            heads = {**results, self.key: record, **(further or {})}
            await patiently(
                lambda: write_in_order(self._store, {}, heads, (), expect={}), self._agent
            )
            self._written = max(self._written, changes)
            for where, result in results.items():
                if self._results.get(where) is result:
                    del self._results[where]

    async def close(self) -> None:
        """Write nothing from now on."""
        self.leave()
        async with self._lock:
            pass

    def leave(self) -> None:
        """The same, without waiting for what is being written."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_to_save(self) -> None:
        self._timer = None
        if not self._closed and self._written < self._changes:
            self._saving = asyncio.get_running_loop().create_task(self._save_quietly())

    async def _save_quietly(self) -> None:
        try:
            await self.save()
        except Exception as error:
            # It is written with the next note, which raises if that fails, too.
            logger.warning(
                "agent %r: the results of calls could not be written yet: %s", self._agent, error
            )

"""`Rereading`: gets the messages of runs out of the store again."""

from __future__ import annotations

import asyncio

from civitas.errors import CivitasError, HandlerFailed
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.runs.ending import Ending
from civitas.runs.entry import AcceptedEntry
from civitas.runs.ledger import Ledger
from civitas.runs.open_run import OpenRun
from civitas.runs.records import AcceptedRun
from civitas.runs.root import Root
from civitas.runs.tasks import Tasks

__all__ = ["Rereading"]

_AHEAD = 32
"""How many messages of one agent are read at once."""
_AGAIN = 0.5
"""Seconds before the store is tried again that is away."""


class Rereading:
    """Gets the messages of runs out of the store again that earlier programs left, a few at a time.

    Args:
        root: The root node.
        ledger: The store.
        ending: Ends those that were begun too often.
        tasks: What is done in the background.
    """

    def __init__(self, root: Root, ledger: Ledger, ending: Ending, tasks: Tasks) -> None:
        self._root = root
        self._ledger = ledger
        self._ending = ending
        self._tasks = tasks
        self.counts = False
        """Whether what may have been in hand of a killed program counts as a delivery, as nothing else says so."""

    def want(self, entry: AcceptedEntry) -> None:
        """Read the messages of runs that wait in `entry`; see `Accepting`."""
        entry.is_wanted = True
        self._tasks.begin(self._read(entry))

    async def _read(self, entry: AcceptedEntry) -> None:
        try:
            for run in entry.waiting[:_AHEAD]:
                if run.message is None and not run.over:
                    await self._read_one(entry, run)
        finally:
            entry.is_wanted = False
        entry.go_on()

    async def _read_one(self, entry: AcceptedEntry, run: OpenRun) -> None:
        record = run.record
        try:
            message = await self._message(record)
            if self.counts and run is entry.waiting[0]:
                # It alone may have been in hand.
                record.deliveries += 1
                run.given = record.deliveries
                await self._ledger.count(record, message)
        except CivitasError as error:
            self._ending.finish(run, HandlerFailed(record.agent, type(error).__name__, str(error)))
            return
        # Whoever asked is gone with its program, and its deadline with it.
        given = record.deliveries
        run.message = message.replaced(deadline=None, wants_chunks=False, attempt=given)
        if given >= entry.agent.max_deliveries:
            why = f"its program was killed each of the {given} times that it was handled"
            self._root.dead_letter(run.message, DeadLetterReason.MAX_DELIVERIES)
            self._ending.finish(run, HandlerFailed(record.agent, "NodeDown", why))

    async def _message(self, record: AcceptedRun) -> Message:
        while True:
            try:
                return await self._ledger.message(record)
            except CivitasError as error:
                if not getattr(error, "transient", False):
                    raise
                await asyncio.sleep(_AGAIN)

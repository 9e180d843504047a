"""`Acceptance`: keeps the messages of durable agents until they are finished, and their answers for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from civitas.errors import AgentTerminated, CivitasError, DeliveryError, StartFailed
from civitas.message import Message
from civitas.runs.asking import Asking
from civitas.runs.beginning import Beginning
from civitas.runs.ending import Ending
from civitas.runs.entry import AcceptedEntry
from civitas.runs.ledger import Ledger
from civitas.runs.open_run import OpenRun
from civitas.runs.programs import Programs
from civitas.runs.rereading import Rereading
from civitas.runs.root import Root
from civitas.runs.table import RunTable
from civitas.runs.tasks import Tasks
from civitas.runs.timers import KeptTimers

__all__ = ["Acceptance"]

logger = logging.getLogger("civitas")

_LAST_WORDS = 5.0
"""Seconds for the store to take the ends of runs when the system stops."""
_LONGEST_WAIT = 3600.0
"""Seconds between two looks for answers that were kept for long enough."""


class Acceptance:
    """Keeps the messages of durable agents until they are finished, and their answers for a while.

    It is put together of its parts, for one life of the system, by `load`.

    Args:
        root: The root node.
    """

    table: RunTable
    asking: Asking
    ending: Ending
    timers: KeptTimers

    def __init__(self, root: Root) -> None:
        self._root = root
        self.keep = 24 * 3600.0
        """Seconds that an answer is kept."""
        self._tasks = Tasks(lambda: root.loop)
        self._entries: dict[str, AcceptedEntry] = {}
        """Those of the durable agents that have a place, or runs that are not over, by name."""
        self._left: list[OpenRun] = []
        """The runs of earlier programs that no agent has been given yet."""
        self.unread: Exception | None = None
        """Why it is not known what earlier programs left; None if it is."""
        self._sweeping: asyncio.Task[None] | None = None
        self.renewed: Callable[[], None] = _nobody
        """Called when another life of the system begins, with a table of its own."""
        self._put_together()

    def _put_together(self) -> None:
        root = self._root
        self._ledger = ledger = Ledger(root.store)
        self._programs = programs = Programs(root.store)
        self.table = RunTable()
        self.asking = Asking(ledger, self.table, root.doing)
        self.timers = KeptTimers(root, root.store, programs)
        self.ending = Ending(root, ledger, self.table, programs, self._tasks)
        self._rereading = Rereading(root, ledger, self.ending, self._tasks)
        self._beginning = Beginning(
            root, ledger, self.table, programs, self.ending, self.asking, self._tasks
        )

    # The life of the system.

    async def load(self) -> None:
        """Read what earlier programs left, before anything of this one is accepted.

        That it cannot be read is told by `resume`, when it is known whether anybody needs it.
        """
        self._put_together()
        self.renewed()
        self._entries.clear()
        self._left = []
        self.unread = None
        try:
            await self._load()
        except Exception as error:
            self.unread = error

    async def _load(self) -> None:
        self._programs.look()
        if not self._programs.are_counted:
            self._rereading.counts = not await self._ledger.was_stopped()
        for record in await self._ledger.unfinished():
            if self._programs.is_other(record.owner):
                continue
            if self._programs.are_counted:
                record.deliveries = self._programs.given(record.message_id)
            run = OpenRun(record, None)
            self.table.add(run)
            self._left.append(run)
            self._beginning.last = record.order
        for ended in await self._ledger.ended(self.table.most):
            self.table.remember(ended)
        await self.timers.load()

    @property
    def message_ids(self) -> Iterable[str]:
        """The ids of the messages that are not finished."""
        return self.table.by_message.keys()

    def resume(self) -> None:
        """Every agent has its place: give them what earlier programs left.

        Raises:
            StartFailed: There are durable agents, and what is left for them cannot be read.
        """
        if self.unread is not None:
            for name in self._entries:
                raise StartFailed(name, self.unread) from self.unread
            logger.warning("the state store does not say which runs are left: %s", self.unread)
        left, self._left = self._left, []
        for run in left:
            entry = self._root.entry_of(run.record)
            if entry is None:
                self._left.append(run)
            else:
                entry.again(run)
        for entry in list(self._entries.values()):
            entry.go_on()
        for name, count in Counter(run.record.agent for run in self._left).items():
            logger.warning(
                "%d accepted runs are for %r, and no durable agent has that name now; they stay in the state store. "
                "Give the agent its name and delivery='durable' back, or cancel them with runtime.cancel",
                count,
                name,
            )
        self._sweeping = self._root.loop.create_task(self._sweep())
        self.timers.resume()

    async def pass_on(self) -> asyncio.Task[None]:
        """Let another program have the runs that are left, once the agents have ended.

        Returns:
            What tells those that wait for them, as soon as that other program has the answers.
        """
        for run in list(self.table.open.values()):
            with suppress(DeliveryError):  # whoever sent it is told
                await run.is_decided()
        await self.close()
        telling = self._root.loop.create_task(self.asking.hand_over_all(self.table.take_waiters()))
        await asyncio.sleep(0)  # from here on, those who wait are told also if it is cancelled
        return telling

    async def close(self) -> None:
        """Write what is still to be written, as the store is about to close."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})
            self._sweeping = None
        self.table.close()
        self.timers.stop()
        await self.timers.close()
        await self._tasks.finish(_LAST_WORDS)
        left = self.table.open.values()
        if left and not self._programs.are_counted:
            try:
                await self._ledger.note_stop()
            except CivitasError as error:
                logger.warning("that no run was in hand at the stop could not be noted: %s", error)
        self._programs.sign_out({run.record.owner for run in left})

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(_LONGEST_WAIT, self.keep / 10))
            before = time.time() - self.keep
            try:
                await self._ledger.drop(before)
                self.table.forget_those(before)
            except Exception as error:
                logger.warning("answers that were kept for long enough are still there: %s", error)

    # Agents.

    def entered(self, entry: AcceptedEntry) -> None:
        """A durable agent has its place: what waits for one of its name is for it."""
        self._programs.sign_in()
        before = self._entries.get(entry.name)
        self._entries[entry.name] = entry
        if before is not None:
            before.try_again()
            for run in before.unfinished:
                run.delivered = False
                entry.again(run)
        elif (
            self._left and self._sweeping is not None
        ):  # those of a new agent are given in `resume`
            mine = [run for run in self._left if run.record.agent == entry.name]
            for run in mine:
                self._left.remove(run)
                entry.again(run)
            if mine:
                entry.go_on()

    def closed(self, name: str, why: str, *, with_conversations: bool = False) -> None:
        """An agent takes no messages, for `why`; it takes some again if that is empty.

        Args:
            name: Of the agent, or of a pool.
            why: Why it takes none.
            with_conversations: Whether that is so for all conversations of a pool.
        """
        names = [name]
        if with_conversations:
            names = [each for each in self._entries if each.startswith(f"{name}/")]
        for each in names:
            if (entry := self._entries.get(each)) is None:
                continue
            if why:
                entry.refuse(lambda: AgentTerminated(name, why))
            else:
                entry.try_again()
                entry.go_on()

    def forget(self, name: str) -> None:
        """An agent is gone; what it did not finish waits for another one of its name."""
        entry = self._entries.get(name)
        if entry is not None and not entry.unfinished and not entry.holds:
            del self._entries[name]

    def noted_by(self, process: str) -> Path | None:
        """Where an OS process notes what it has in hand; see `Programs.noted_by`."""
        return self._programs.noted_by(process)

    # Messages; see `Accepting`.

    async def take(self, entry: AcceptedEntry, message: Message, timeout: float | None) -> None:
        """Keep a message, and see to it that it is handled; see `Beginning.take`."""
        await self._beginning.take(entry, message, timeout)

    def want(self, entry: AcceptedEntry) -> None:
        """Read the messages of runs that wait in `entry`; see `Rereading.want`."""
        self._rereading.want(entry)

    async def cancel(self, name: str) -> bool:
        """End a run without an answer; see `Runtime.cancel`."""
        cancelled = await self.ending.cancel(name)
        self._left = [run for run in self._left if not run.over]
        return cancelled


def _nobody() -> None:
    """Nobody looks at the table but what is here."""

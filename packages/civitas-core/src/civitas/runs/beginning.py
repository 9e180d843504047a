"""`Beginning`: from a message to its place in the store."""

from __future__ import annotations

import asyncio
import time

from civitas.errors import DeliveryError, HandlerFailed, RunConflict, StateConflict
from civitas.message import Message
from civitas.message.call_name import is_call
from civitas.message.envelope import REPLAY
from civitas.runs.asking import Asking
from civitas.runs.ending import Ending
from civitas.runs.entry import AcceptedEntry
from civitas.runs.info import RunStatus
from civitas.runs.ledger import Ledger
from civitas.runs.open_run import OpenRun, Waiter
from civitas.runs.programs import Programs
from civitas.runs.records import AcceptedRun, EndedRun, is_same
from civitas.runs.root import Root
from civitas.runs.table import RunTable
from civitas.runs.tasks import Tasks

__all__ = ["Beginning"]

_TO_CALL_AGAIN = (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.EXPIRED)
"""How a run ended that began with a call, or whose dead letter is replayed, when the same begins another one."""


class Beginning:
    """Takes messages into the store, each once, before they are handed on.

    Args:
        root: The root node.
        ledger: The store.
        table: The runs that are known.
        programs: How this program signs.
        ending: Ends those that nobody waits for any more.
        asking: Waits for those of other programs.
        tasks: What is done in the background.
    """

    def __init__(
        self,
        root: Root,
        ledger: Ledger,
        table: RunTable,
        programs: Programs,
        ending: Ending,
        asking: Asking,
        tasks: Tasks,
    ) -> None:
        self._root = root
        self._ledger = ledger
        self._table = table
        self._programs = programs
        self._ending = ending
        self._asking = asking
        self._tasks = tasks
        self.last = 0
        """The number of the run that was accepted last."""

    async def take(self, entry: AcceptedEntry, message: Message, timeout: float | None) -> None:
        """Keep a message, and see to it that it is handled; or wait with whoever began the run of its name.

        Raises:
            RunConflict: Another payload began the run of that name.
            MailboxFull: There was no room in time.
            StateStoreError: It could not be kept; nobody will handle it.
        """
        waiter = self._root.waiter_of(message)
        if await self._joins(message, waiter):
            return
        await self._begin(entry, message, timeout, waiter)

    async def _begin(
        self, entry: AcceptedEntry, message: Message, timeout: float | None, waiter: Waiter | None
    ) -> None:
        self.last = max(self.last + 1, time.time_ns())
        run = OpenRun(AcceptedRun.begun_by(message, self.last, self._programs.own), message)
        self._table.add(run)
        if message.wants_chunks and message.run_name is not None:
            self._root.keep_chunks(message.id)
        self._table.wait(message.id, run, waiter)
        try:
            await entry.admit(run, message, timeout)
            await self._keep(run, message)
        except StateConflict:
            if not await self._gives_way(run, message, waiter):
                await self._begin(entry, message, timeout, waiter)
        except BaseException as error:
            self._drop(run, error)
            raise

    async def _joins(self, message: Message, waiter: Waiter | None) -> bool:
        """Whether a run of that name is there: then whoever sent the message waits with the others."""
        run = self._table.open.get(message.run)
        if run is not None and run.given_up:
            await run.has_ended()
        elif run is not None:
            _check_same(message, run.record.digest, run.record.agent)
            run.leaving = None
            if run.held is not None:
                if waiter is not None:
                    waiter(run.held)
                return True
            if message.wants_chunks:
                self._root.join_chunks(run.record.message_id, message.id)
            self._table.wait(message.id, run, waiter)
            await run.is_decided()
            return True
        is_replay = REPLAY in message.headers
        if message.run_name is None and not is_replay:
            return False
        found: AcceptedRun | EndedRun | None = self._table.ended.get(message.run)
        if found is None and (is_replay or not self._ledger.guards_names):
            found = await self._ledger.find(message.run)
        return found is not None and await self._waits_for_other(found, message, waiter)

    async def _gives_way(self, run: OpenRun, message: Message, waiter: Waiter | None) -> bool:
        """Whether the run of this name that the store has is to be waited for; if not, the name is free now."""
        self._table.leave(message.id)
        self._drop(run, RunConflict(run.record.run, run.record.agent, "something else"))
        found = await self._ledger.find(run.record.run)
        if found is None:
            raise RunConflict(run.record.run, run.record.agent, "what is not there any more")
        return await self._waits_for_other(found, message, waiter)

    async def _waits_for_other(
        self, found: AcceptedRun | EndedRun, message: Message, waiter: Waiter | None
    ) -> bool:
        agent = found.info.agent if isinstance(found, EndedRun) else found.agent
        _check_same(message, found.digest, agent)
        is_replay = REPLAY in message.headers
        if (
            isinstance(found, EndedRun)
            and (is_replay or is_call(message.run))
            and found.info.status in _TO_CALL_AGAIN
        ):
            self._table.ended.pop(message.run, None)
            await (self._ledger.forget if is_replay else self._ledger.free)(found)
            return False
        if waiter is not None:
            if isinstance(found, EndedRun) and (
                found.info.status is not RunStatus.WAITING or is_call(message.run)
            ):
                waiter((await self._ledger.answered(found)).answer)
            else:
                self._tasks.begin(self._asking.hand_over(message.run, waiter, message.deadline))
        return True

    async def _keep(self, run: OpenRun, message: Message) -> None:
        try:
            if message.deadline is None:
                await self._ledger.accept(run.record, message)
            else:
                async with asyncio.timeout(max(0.0, message.deadline - time.time())):
                    await self._ledger.accept(run.record, message)
        except TimeoutError:
            # Whoever asked hears that its time is up; the store may have it all the same.
            self._tasks.begin(self._find_out(run, message))
        except asyncio.CancelledError:
            self._tasks.begin(self._find_out(run, message))
            raise
        else:
            self._is_kept(run)

    async def _find_out(self, run: OpenRun, message: Message) -> None:
        """Keep a run whose sender did not wait for that, as the store may have it already."""
        try:
            await self._ledger.accept(run.record, message)
        except StateConflict as conflict:
            found = await self._ledger.find(run.record.run)
            if isinstance(found, AcceptedRun) and found.order == run.record.order:
                self._is_kept(run)
            else:
                self._drop(run, conflict)
        except Exception as error:
            self._drop(run, error)
        else:
            self._is_kept(run)

    def _is_kept(self, run: OpenRun) -> None:
        assert run.entry is not None  # it was admitted
        run.is_kept = True
        run.changed()
        if run.leaving is not None:
            self._ending.nobody_waits(run, by_force=False)
        run.entry.kept()

    def _drop(self, run: OpenRun, error: BaseException) -> None:
        """A run was not accepted."""
        admitted = run.entry is not None
        if run.is_kept or run.over or (admitted and isinstance(error, asyncio.CancelledError)):
            return  # the store has it, or may have it
        record = run.record
        run.over = True
        run.gone = (
            error
            if isinstance(error, DeliveryError)
            else HandlerFailed(record.agent, type(error).__name__, str(error))
        )
        self._root.let_answer(record.message_id)
        self._table.leave(record.message_id)  # that one is told by what is raised
        self._table.remove(run)
        if run.entry is not None:
            run.entry.dropped(run)
        self._table.tell(run, run.gone)
        run.changed()


def _check_same(message: Message, digest: bytes, agent: str) -> None:
    """Raise `RunConflict` where a message is another one than began the run of its name."""
    if agent.partition("/")[0] != message.recipient.partition("/")[0]:
        raise RunConflict(message.run, agent, f"a message for {agent!r}")
    if not is_same(message, digest):
        raise RunConflict(message.run, agent, "another payload")

"""`Ending`: what becomes of runs, and how that is kept."""

from __future__ import annotations

import asyncio
import logging
import time

from civitas.errors import AgentTerminated, DeliveryError, NodeDown, RunCancelled, RunChanged
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.runs.info import RunStatus
from civitas.runs.ledger import Ledger
from civitas.runs.open_run import OpenRun
from civitas.runs.overview import steps_in, told_by_agent
from civitas.runs.programs import Programs
from civitas.runs.records import EndedRun
from civitas.runs.root import Root
from civitas.runs.table import RunTable
from civitas.runs.tasks import Tasks

__all__ = ["Ending"]

logger = logging.getLogger("civitas")

_AGAIN = 0.5
"""Seconds before the store is tried again that did not take the end of a run."""


class Ending:
    """Keeps what becomes of runs, and tells whoever waits for it.

    Args:
        root: The root node.
        ledger: The store.
        table: The runs that are known.
        programs: Where it is noted what is in hand.
        tasks: What is done in the background.
    """

    def __init__(
        self, root: Root, ledger: Ledger, table: RunTable, programs: Programs, tasks: Tasks
    ) -> None:
        self._root = root
        self._ledger = ledger
        self._table = table
        self._programs = programs
        self._tasks = tasks
        self.passes_on = False
        """Whether another program is about to go on with what is left, and to answer those that wait for it."""

    # What its agent says.

    def began(self, agent: str, run: OpenRun) -> None:
        """An agent begins to handle a run."""
        run.running = True
        run.begun = time.time()
        run.given += 1
        self._programs.begun(agent, run.record.message_id)

    def was_lost(self, run: OpenRun, times: int) -> None:
        """The process of its agent is gone, which gave the run to so many incarnations."""
        run.given += times
        for _ in range(times):
            self._programs.begun("", run.record.message_id)

    def answered(self, run: OpenRun, answer: Message | DeliveryError) -> None:
        """There is an answer to the message of a run, or there will be none."""
        if run.over:
            return
        if isinstance(answer, (AgentTerminated, NodeDown)):
            # Nobody tried and failed: it is handled when its agent is there again.
            assert run.entry is not None  # it was delivered
            self._programs.finished(run.record.message_id)
            run.entry.again(run)
            if not self.passes_on:
                self._table.tell(run, answer)
            return
        if isinstance(answer, RunChanged) and answer.held and answer.run == run.record.run:
            self._hold(run, answer)
            return
        if run.record.named and isinstance(answer, Message):
            answer = answer.replaced(run_name=run.record.run)
        self.finish(run, answer)

    def _hold(self, run: OpenRun, why: RunChanged) -> None:
        """Its agent does not go on with a run now. The run stays as it is, and this delivery is not counted."""
        assert run.entry is not None  # it was delivered
        run.given -= 1
        self._programs.put_back(run.record.message_id)
        run.held = why
        run.entry.hold(run)
        self._table.tell(run, why)
        run.changed()

    def settled(self, run: OpenRun) -> None:
        """Its agent is finished with the message of a run; without an answer, it gave that up."""
        if not run.over and run.delivered:
            self._give_up(run, run.leaving or RunStatus.CANCELLED)

    def is_kept_for_later(self, message: Message, reason: DeadLetterReason) -> bool:
        """Whether a message that nobody handles now stays, or its end is known; of another, that is noted."""
        run = self._table.by_message.get(message.id)
        if run is None:
            # A chunk of a run whose reader left: it has its answer, which is kept.
            return message.correlation_id in self._table.by_message
        if reason in (DeadLetterReason.TERMINATED, DeadLetterReason.NODE_DOWN):
            return True
        if run.over:
            return reason is DeadLetterReason.NO_READER  # it was cancelled on purpose
        if reason is DeadLetterReason.EXPIRED:
            self._give_up(run, RunStatus.EXPIRED)
        elif reason is DeadLetterReason.NO_READER:
            self.settled(run)
        return False

    # What whoever waits for it says.

    def left(self, message: Message, *, reader_left: bool = False) -> bool:
        """Whoever waited for the answer to a message has left; False if that is not for a run."""
        run = self._table.leave(message.id)
        if run is None:
            return message.id in self._table.by_message
        if run.over or run.waiters or run.record.lasts:
            return True
        late = message.deadline is not None and message.deadline <= time.time() + 0.001
        run.leaving = RunStatus.EXPIRED if late else RunStatus.CANCELLED
        if run.is_kept:
            self.nobody_waits(run, by_force=reader_left)
        return True

    def nobody_waits(self, run: OpenRun, *, by_force: bool) -> None:
        """Give a run up that nobody waits for, if its agent wants that, or `by_force`."""
        if run.entry is None:
            return
        if run.delivered and run.message is not None:
            run.entry.agent.withdraw(run.message, reader_left=by_force)
        elif by_force or run.entry.agent.gives_up:
            self._give_up(run, run.leaving or RunStatus.CANCELLED)

    async def cancel(self, name: str) -> bool:
        """End a run without an answer; False if it is over, or there is none."""
        run = self._table.open.get(name)
        if run is not None and not run.is_kept:
            try:
                await run.is_decided()
            except DeliveryError:
                return False
        if run is None or run.over:
            return False
        delivered = run.delivered
        self.finish(run, RunCancelled(name, run.record.agent))
        if delivered and run.entry is not None and run.message is not None:
            run.entry.agent.withdraw(run.message, reader_left=True)
        await run.has_ended()
        return True

    def _give_up(self, run: OpenRun, status: RunStatus) -> None:
        expired = status is RunStatus.EXPIRED
        why = "its time was up, and" if expired else "it was given up, as"
        why += " nobody waited for it any more"
        self.finish(run, RunCancelled(run.record.run, run.record.agent, why, expired=expired))

    # Its end.

    def finish(self, run: OpenRun, answer: Message | DeliveryError) -> None:
        """A run is over: keep that, and tell whoever waits for it."""
        if run.over:
            return
        run.over, run.held = True, None
        record, message = run.record, run.message
        doing = self._root.doing(run)
        last = {"begun": run.begun, **told_by_agent(doing), "steps": steps_in(doing)}
        last["waits_for"] = ()
        ended = EndedRun.of(record, answer, time.time(), run.given, last)
        if ended.info.status is RunStatus.FAILED and not run.waiters:
            logger.error("run %r of %r failed: %s", record.run, record.agent, ended.info.error)
        self._programs.finished(record.message_id)
        self._root.let_answer(record.message_id)
        if run.entry is not None:
            run.entry.finished(run)
        self._tasks.begin(self._keep(run, ended, answer))
        if isinstance(answer, RunCancelled) and message is not None and message.attempt:
            self._root.forget_records(message)

    async def _keep(self, run: OpenRun, ended: EndedRun, answer: Message | DeliveryError) -> None:
        while True:
            try:
                await self._ledger.end(run.record, ended)
                break
            except Exception as error:
                logger.exception(
                    "the end of the run %r of %r could not be written. It is tried again; the run is handled once more "
                    "if the program ends before that succeeds",
                    run.record.run,
                    run.record.agent,
                    exc_info=error,
                )
                self._table.tell(run, answer)
                await asyncio.sleep(_AGAIN)
        run.is_kept = False
        self._table.remove(run)
        self._table.remember(ended)
        self._table.tell(run, answer)
        run.changed()

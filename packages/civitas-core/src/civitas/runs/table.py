"""`RunTable`: the runs that a program knows."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from civitas.errors import AgentTerminated, DeliveryError
from civitas.message import Message
from civitas.runs.following import Talk, talk_of
from civitas.runs.info import RunStatus
from civitas.runs.open_run import OpenRun, Waiter
from civitas.runs.records import AcceptedRun, EndedRun

__all__ = ["RunTable"]

_REMEMBERED = 10_000
"""How many runs that are over are known without a look into the store."""


class RunTable:
    """The runs that a program knows: those that are not over, and those that ended last."""

    def __init__(self) -> None:
        self.open: dict[str, OpenRun] = {}
        """Those that are not over, by their names."""
        self.by_message: dict[str, OpenRun] = {}
        """The same, by the ids of the messages that began them."""
        self.ended: OrderedDict[str, EndedRun] = OrderedDict()
        """Those that ended last, without their answers, by their names."""
        self.questions: dict[Talk, str] = {}
        """Of each conversation in which a human is waited for, the run that asked."""
        self._waiting: dict[str, OpenRun] = {}
        """What those wait for who wait for an answer, by the ids of their messages."""
        self._watching: dict[asyncio.Future[None], Talk] = {}
        """Who waits until another run of a conversation has ended."""
        self._closed = False

    most = _REMEMBERED

    def add(self, run: OpenRun) -> None:
        """A run begins, or is left over."""
        self.open[run.record.run] = run
        self.by_message[run.record.message_id] = run

    def remove(self, run: OpenRun) -> None:
        """A run is over, or was not accepted."""
        self.open.pop(run.record.run, None)
        self.by_message.pop(run.record.message_id, None)

    def remember(self, ended: EndedRun) -> None:
        """A run is over."""
        self.ended[ended.info.run] = ended.without_reply()
        talk = talk_of(ended.info)
        if ended.info.status is RunStatus.DONE:
            self.questions.pop(talk, None)
        elif ended.info.status is RunStatus.WAITING and ended.info.conversation is not None:
            self.questions[talk] = ended.info.run
        for each in [each for each, watched in self._watching.items() if watched == talk]:
            if not each.done():
                each.set_result(None)
        if len(self.ended) > self.most:
            self._forget_first()

    def _forget_first(self) -> None:
        name, ended = self.ended.popitem(last=False)
        if self.questions.get(talk := talk_of(ended.info)) == name:
            del self.questions[talk]

    def ended_after(self, ended: EndedRun) -> list[EndedRun] | None:
        """The runs that ended behind one, in that order; None if that is not known without a look into the store."""
        if ended.info.run not in self.ended:
            return None
        found: list[EndedRun] = []
        for name, each in reversed(self.ended.items()):
            if name == ended.info.run:
                break
            found.append(each)
        return found[::-1]

    async def next_end(self, talk: Talk) -> None:
        """Wait until another run of a conversation has ended.

        Raises:
            DeliveryError: The system stops.
        """
        if self._closed:
            raise _stopped(talk)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watching[ended] = talk
        try:
            await ended
        finally:
            del self._watching[ended]

    def close(self) -> None:
        """The system stops: nobody waits for an answer to a question any longer."""
        self._closed = True
        for each, talk in self._watching.items():
            if not each.done():
                each.set_exception(_stopped(talk))

    def forget_those(self, before: float) -> None:
        """Forget what ended before `before` (Unix seconds)."""
        while self.ended:
            first = next(iter(self.ended.values()))
            if (first.info.ended or 0.0) >= before:
                return
            self._forget_first()

    def wait(self, message_id: str, run: OpenRun, take: Waiter | None) -> None:
        """Whoever sent a message waits for the answer of a run; nobody if `take` is None."""
        if take is not None:
            run.waiters[message_id] = take
            self._waiting[message_id] = run

    def leave(self, message_id: str) -> OpenRun | None:
        """Whoever sent a message does not wait any more; the run that it waited for."""
        run = self._waiting.pop(message_id, None)
        if run is not None:
            run.waiters.pop(message_id, None)
        return run

    def take_waiters(self) -> list[tuple[AcceptedRun, Waiter]]:
        """Forget all runs that are not over; returns who waits for them, each with the run."""
        waiting = [
            (run.record, take) for run in self.open.values() for take in run.waiters.values()
        ]
        self.open.clear()
        self.by_message.clear()
        self._waiting.clear()
        return waiting

    def tell(self, run: OpenRun, answer: Message | DeliveryError) -> None:
        """Hand the answer of a run to all who wait for it."""
        waiters, run.waiters = run.waiters, {}
        for message_id, take in waiters.items():
            self._waiting.pop(message_id, None)
            take(answer)


def _stopped(talk: Talk) -> AgentTerminated:
    return AgentTerminated(talk[0], "the system was stopped")

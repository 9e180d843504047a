"""`StoredRuns`: the runs in a state store whose system does not run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from civitas.errors import ConfigurationError, RunCancelled, UnknownRun
from civitas.message import Message
from civitas.process.leftovers import forget_records_of
from civitas.runs.following import followed
from civitas.runs.info import RunInfo, RunStatus
from civitas.runs.ledger import Ledger
from civitas.runs.overview import overview
from civitas.runs.programs import Programs
from civitas.runs.records import AcceptedRun, EndedRun

if TYPE_CHECKING:
    from civitas.errors import DeliveryError
    from civitas.state import StateStore

__all__ = ["LeftRun", "StoredRuns"]

_MOST = 10_000
"""So many runs that have ended are looked at, the last ones."""


@dataclass(frozen=True, slots=True)
class LeftRun:
    """A run that goes on some day.

    Attributes:
        info: What is known of it.
        message_id: Of its message; None if it waits for a human, so that another message goes on with it.
        conversation: In which it waits.
    """

    info: RunInfo
    message_id: str | None
    conversation: str | None = None


class StoredRuns:
    """The runs in a state store, for whoever looks while no program goes on with them.

    Args:
        store: The store.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._ledger = Ledger(store)
        self._programs = Programs(store)
        self._programs.peek()

    async def infos(
        self, status: RunStatus | None = None, agent: str | None = None
    ) -> list[RunInfo]:
        """What is known of runs; see `Runtime.runs`."""
        left = [self._info(each) for each in await self._ledger.unfinished()]
        ended = [each.info for each in await self._ledger.ended(_MOST)]
        return overview([*ended, *left], status, agent)

    async def going_on(self) -> list[LeftRun]:
        """The runs that are not over, and those that wait for a human, in the order in which they were accepted."""
        unfinished = {each.run: each for each in await self._ledger.unfinished()}
        ended = {each.info.run: each for each in await self._ledger.ended(_MOST)}
        infos = [self._info(each) for each in unfinished.values()]
        left: list[LeftRun] = []
        for info in overview([*infos, *(each.info for each in ended.values())]):
            if info.run in unfinished:
                left.append(LeftRun(info, unfinished[info.run].message_id))
            elif info.status is RunStatus.WAITING:
                conversation = info.conversation
                if conversation is None:  # it began without one, and has one since it asked
                    answer = (await self._ledger.answered(ended[info.run])).answer
                    conversation = answer.conversation if isinstance(answer, Message) else None
                left.append(LeftRun(info, None, conversation))
        return left

    async def info(self, name: str) -> RunInfo:
        """What is known of one run.

        Raises:
            UnknownRun: There is none of that name.
        """
        found = await self._find(name)
        steps = found.info.steps if isinstance(found, EndedRun) else ()
        for each in await self.infos():
            if each.run == name:
                return replace(each, steps=steps)
        return found.info if isinstance(found, EndedRun) else self._info(found)

    async def result(self, name: str) -> Message | DeliveryError:
        """The answer of a run that has ended, or why it has none.

        Raises:
            UnknownRun: There is none of that name.
            ConfigurationError: It has not ended, and nobody goes on with it.
        """
        found = await self._find(name)
        if isinstance(found, AcceptedRun):
            raise ConfigurationError(
                f"the run {name!r} of {found.agent!r} has no answer yet: it goes on when the system is started"
            )
        if found.info.status is RunStatus.WAITING and found.info.conversation is not None:
            found, _ = followed(found, await self._ledger.ended_after(found))
        return (await self._ledger.answered(found)).answer

    async def cancel(self, name: str) -> bool:
        """End a run without an answer; False if it is over.

        Raises:
            UnknownRun: There is none of that name.
            ConfigurationError: Another program has it in hand.
        """
        found = await self._find(name)
        if isinstance(found, EndedRun):
            return False
        if self._programs.is_running(found.owner):
            raise ConfigurationError(
                f"the run {name!r} of {found.agent!r} is with a program that runs, and not as `civitas run`; cancel it "
                "there, with runtime.cancel"
            )
        cancelled = RunCancelled(name, found.agent)
        given = self._info(found).deliveries
        await self._ledger.end(found, EndedRun.of(found, cancelled, time.time(), given))
        await forget_records_of(self._store, {found.message_id})
        return True

    async def _find(self, name: str) -> AcceptedRun | EndedRun:
        found = await self._ledger.find(name)
        if found is None:
            raise UnknownRun(name)
        return found

    def _info(self, run: AcceptedRun) -> RunInfo:
        given = run.deliveries + self._programs.given(run.message_id)
        return run.info(RunStatus.ACCEPTED, given)

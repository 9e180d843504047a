"""`Asking`: what somebody wants to know of a run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from civitas.errors import (
    AgentTerminated,
    AskTimeout,
    DeliveryError,
    RunCancelled,
    StateStoreError,
    UnknownAgent,
    UnknownRun,
)
from civitas.message import Message
from civitas.runs.following import followed, talk_of
from civitas.runs.info import RunInfo, RunStatus
from civitas.runs.ledger import Ledger
from civitas.runs.open_run import OpenRun, Waiter
from civitas.runs.overview import overview, steps_in
from civitas.runs.records import AcceptedRun, EndedRun
from civitas.runs.table import RunTable

__all__ = ["Asking"]

logger = logging.getLogger("civitas")

_LOOK = 0.05
"""Seconds between two looks at a run that another program has; they grow tenfold."""
_ELSEWHERE = 2.0
"""The longest between two looks whether a question was answered that another program asked."""
_ASKS = "it waits for the answer to its question"


class Asking:
    """Answers questions about runs.

    Args:
        ledger: The store.
        table: The runs that are known.
        doing: What the agent of a run says of it; see `Root.doing`.
    """

    def __init__(
        self,
        ledger: Ledger,
        table: RunTable,
        doing: Callable[[OpenRun], Mapping[str, Any] | None],
    ) -> None:
        self._ledger = ledger
        self._table = table
        self._doing = doing
        self._handed_over: dict[str, tuple[str, list[Waiter]]] = {}
        """By the name of a run that another program has, its agent and who waits for it."""

    async def result(self, name: str, timeout: float | None, *, final: bool) -> Message:
        """The answer of a run; see `Runtime.result`."""
        until = None if timeout is None else time.time() + timeout
        answer = await self._answer(name, timeout, until, final=final)
        if isinstance(answer, Message):
            return answer
        raise answer

    async def _answer(
        self, name: str, timeout: float | None, until: float | None, *, final: bool = False
    ) -> Message | DeliveryError:
        run = self._table.open.get(name)
        if run is not None:
            answer = run.held or await self._wait(run, timeout)
            if not final or not isinstance(answer, Message) or answer.type != "interrupt":
                return answer
        found: AcceptedRun | EndedRun | None = self._table.ended.get(name)
        wait = _LOOK
        while True:
            found = found or await self._ledger.find(name)
            if found is None:
                raise UnknownRun(name)
            if isinstance(found, EndedRun):
                if found.info.status is RunStatus.WAITING and found.info.conversation is not None:
                    return await self._followed(found, timeout, until, final=final)
                return (await self._ledger.answered(found)).answer
            if until is not None and time.time() + wait > until:
                waits = f"it is {RunStatus.ACCEPTED}"
                raise AskTimeout(found.agent, found.type, timeout or 0.0, waits, run=name)
            # Another program has it, or no agent of this one has its name.
            found = None
            await asyncio.sleep(wait)
            wait = min(2 * wait, 10 * _LOOK)

    async def _followed(
        self, asked: EndedRun, timeout: float | None, until: float | None, *, final: bool
    ) -> Message | DeliveryError:
        """The answer of a run that has ended; if it is a question that somebody has answered, what came of that."""
        info, wait = asked.info, _LOOK
        while True:
            known = self._table.ended_after(asked)
            later = await self._ledger.ended_after(asked) if known is None else known
            last, dropped = followed(asked, later)
            if last.info.status is not RunStatus.WAITING:
                break
            if dropped:
                if final:
                    why = "its question was left open, as a later message of the conversation began something else"
                    return RunCancelled(info.run, info.agent, why)
                break
            left = None if until is None else until - time.time()
            answering = self._answering(info)
            if answering is None and not final:
                break
            if answering is not None:
                try:
                    answer = await self._wait(answering, left)
                except AskTimeout as late:
                    is_late = "the answer to its question is being handled"
                    raise AskTimeout(
                        info.agent, info.type, timeout or 0.0, is_late, run=info.run
                    ) from late
                if answering.record.run in self._table.open:
                    return answer  # it goes on some day, and nobody waits for that
            elif left is not None and left <= 0:
                return AskTimeout(info.agent, info.type, timeout or 0.0, _ASKS, run=info.run)
            elif known is None:  # another program has it
                await asyncio.sleep(wait if left is None else min(wait, left))
                wait = min(2 * wait, _ELSEWHERE)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._table.next_end(talk_of(info))
        answer = (await self._ledger.answered(last)).answer
        if last is not asked and isinstance(answer, Message):
            answer = answer.replaced(run_name=info.run)
        return answer

    def _answering(self, asked: RunInfo) -> OpenRun | None:
        """The run of somebody's answer to a question that goes on."""
        for run in self._table.open.values():
            if run.record.type == "resume" and talk_of(run.record) == talk_of(asked):
                return run
        return None

    async def _wait(self, run: OpenRun, timeout: float | None) -> Message | DeliveryError:
        found: asyncio.Future[Message | DeliveryError] = asyncio.get_running_loop().create_future()
        me = f"result {id(found)}"

        def take(answer: Message | DeliveryError) -> None:
            if not found.done():
                found.set_result(answer)

        self._table.wait(me, run, take)
        try:
            async with asyncio.timeout(timeout):
                return await found
        except TimeoutError:
            info = run.info()
            raise AskTimeout(
                info.agent, info.type, timeout or 0.0, f"it is {info.status}", run=info.run
            ) from None
        finally:
            self._table.leave(me)

    async def hand_over(self, name: str, take: Waiter, until: float | None) -> None:
        """Let `take` have the answer of a run that another program has."""
        timeout = None if until is None else max(0.0, until - time.time())
        with suppress(AskTimeout):  # whoever waits knows that by itself
            try:
                take(await self._answer(name, timeout, until))
            except UnknownRun as unknown:
                take(unknown)

    async def hand_over_all(self, waiting: Sequence[tuple[AcceptedRun, Waiter]]) -> None:
        """Let all of them have the answers of runs that another program has, or none once this is cancelled."""
        for run, take in waiting:
            self._handed_over.setdefault(run.run, (run.agent, []))[1].append(take)
        try:
            await self._hand_over(self._handed_over)
        except asyncio.CancelledError:
            for name, (agent, _) in list(self._handed_over.items()):
                why = f"the program that had its run {name!r} has ended"
                self._tell(name, AgentTerminated(agent, why))
            raise

    def refuse_others(self, names: Collection[str]) -> None:
        """The program that goes on with what was handed over has agents of these names, and no others."""
        for run, (agent, _) in list(self._handed_over.items()):
            if agent.partition("/")[0] not in names and agent not in names:
                self._tell(run, UnknownAgent(agent))

    def _tell(self, run: str, answer: Message | DeliveryError) -> None:
        _, waiting = self._handed_over.pop(run, ("", ()))
        for take in waiting:
            take(answer)

    async def _hand_over(self, left: Collection[str]) -> None:
        wait = _LOOK
        while left:
            await asyncio.sleep(wait)
            wait = min(1.5 * wait, 6 * _LOOK)  # that program needs the processor to start
            try:
                found = await self._ledger.ended_among(left)
            except StateStoreError as error:
                logger.warning("whether another program has answers is not known: %s", error)
                continue
            for ended in found:
                self._tell(ended.info.run, ended.answer)

    async def info(self, name: str) -> RunInfo:
        """What is known of one run.

        Raises:
            UnknownRun: There is none of that name.
        """
        for each in self.infos(None, None):
            if each.run == name:
                return replace(each, steps=await self._steps_of(name))
        found = await self._ledger.find(name)
        if found is None:
            raise UnknownRun(name)
        return found.info if isinstance(found, EndedRun) else OpenRun(found, None).info()

    async def _steps_of(self, name: str) -> tuple[Mapping[str, Any], ...]:
        if (ended := self._table.ended.get(name)) is not None:
            return await self._ledger.steps_of(ended)
        run = self._table.open.get(name)
        return () if run is None else steps_in(self._doing(run))

    def infos(self, status: RunStatus | None, agent: str | None) -> list[RunInfo]:
        """What is known of runs; see `Runtime.runs`."""
        found = [ended.info for ended in self._table.ended.values()]
        found += [
            run.info(self._doing(run))
            for run in self._table.open.values()
            if run.is_kept and not run.over
        ]
        return overview(found, status, agent)

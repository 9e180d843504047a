"""One message in the hands of an agent, where its handler may need more than to be awaited."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextvars import Context as ContextVariables
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from civitas.errors import BudgetExceeded
from civitas.message import Message
from civitas.process.agent import AgentProcess
from civitas.process.ambiguous import NobodyKnows
from civitas.process.budget_stop import BudgetStop
from civitas.process.context import Context
from civitas.process.current import current_message
from civitas.process.deliveries import Deliveries
from civitas.process.error_action import ErrorAction
from civitas.process.exit_reason import NORMAL, ExitReason, Unfinished
from civitas.process.incident import of_message
from civitas.process.options import Delivery, choose
from civitas.process.run_state import RunState
from civitas.process.suspending import Suspending
from civitas.process.user_code import EVERYBODYS, call, unless_dropped, within
from civitas.telemetry import names
from civitas.telemetry.readable import escaped
from civitas.tools.forked import Fork, unless_copied

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Handling"]

logger = logging.getLogger("civitas")


class Handling:
    """The attempts at one message: in its span, within its time, as often as `on_error` says.

    Args:
        agent: Who handles it.
        node: The node it runs on.
        now: What the agent's run is doing.
        deliveries: Where it is noted how this ended.
        message: The message.
        noting: Ends when a kill of this process with the message in hand would count as a delivery of it; None if there
            is nothing to wait for.
    """

    __slots__ = (
        "_agent",
        "_begun",
        "_budget_stop",
        "_deliveries",
        "_message",
        "_node",
        "_noting",
        "_now",
        "_span",
        "_suspending",
    )

    def __init__(
        self,
        agent: AgentProcess,
        node: Context,
        now: RunState,
        deliveries: Deliveries,
        message: Message,
        noting: Awaitable[None] | None = None,
    ) -> None:
        self._agent = agent
        self._node = node
        self._now = now
        self._deliveries = deliveries
        self._message = self._begun = message
        self._noting = noting
        self._budget_stop: BudgetStop | None = None
        self._suspending: Suspending | None = None
        self._span: Span | None = None

    async def run_alone(self, *, simple: bool = False) -> None:
        """The same as `run`, in a context that no message was handled in."""
        current_message.set(self._message)
        await self.run(simple=simple)

    async def run(self, *, simple: bool = False) -> None:
        """Handle the message in its span, and measure that.

        Args:
            simple: The handler needs nothing but to be awaited, unless it fails.
        """
        tracing = self._node.tracing
        if tracing.active:
            with tracing.process(self._message, self._agent.name) as self._span:
                await (self._measured(simple) if tracing.metrics.active else self._all(simple))
        else:
            await self._measured(simple)

    async def _measured(self, simple: bool) -> None:
        began, message = time.perf_counter(), self._message
        metrics = self._node.tracing.metrics
        if metrics.active:
            waited = time.time() - message.timestamp
            metrics.waited(self._agent.name, waited, again=message.attempt > 0)
        failure = await self._all(simple)
        if metrics.active:
            error = type(failure).__name__ if failure is not None else None
            metrics.processed(self._agent.name, time.perf_counter() - began, error)

    async def _all(self, simple: bool) -> BaseException | None:
        """All attempts; returns the error that remained."""
        before = copy_context()
        if not simple or self._noting is not None:
            return await self.attempts(before)
        try:
            result = await self._agent.handle(self._message)
            if Fork.happened:
                unless_copied(self._node.loop)
            if not self._now.over:
                self._deliveries.finished(self._message, result)
        except BaseException as error:
            return await self.attempts(before, error)
        return None

    async def attempts(
        self, before: ContextVariables, failure: BaseException | None = None
    ) -> BaseException | None:
        """Handle the message, as often as `on_error` says.

        Args:
            before: The context variables before the first attempt; each further one begins with those.
            failure: What the first attempt raised, if that was made already.

        Returns:
            The error that remained.
        """
        now, loop = self._now, self._node.loop
        options, retries = self._agent._civitas_options, 0
        context: ContextVariables | None = None
        while True:
            if failure is None:
                try:
                    if self._noting is not None:
                        noting, self._noting = self._noting, None
                        await noting
                    handling = self._handle(options.handle_timeout)
                    result = await within(context, handling)
                    if self._begun is not self._message and isinstance(result, Message):
                        # The run that another message began goes on, and this one waits for its answer.
                        result = result.replaced(
                            correlation_id=self._message.id,
                            conversation=result.conversation or self._message.conversation,
                        )
                    if Fork.happened:
                        unless_copied(loop)
                    await self._ends(over=True)
                    if not now.over:
                        self._deliveries.finished(self._message, result)
                    return None
                except BaseException as error:
                    failure = error
            failure = now.explained(failure)
            if self._was_abandoned(failure) or now.over:
                return None
            if isinstance(failure, Unfinished) and now.end is not None:
                now.current = None
                self._comes_again()
                recorded = now.steps is not None
                self._deliveries.interrupted(self._message, options, recorded=recorded)
                return None
            if self._suspending is not None or isinstance(failure, BudgetExceeded):
                failure, over = await self._unless_asked(failure)
                if over:
                    return None
                if failure is None:
                    continue  # probes have said what became of it
            action, remains = await within(context, self._decide(failure))
            if action is not ErrorAction.RETRY or retries >= options.max_retries:
                if now.timers.unwritten or self._begun is not self._message:
                    await self._ends(over=action is not ErrorAction.ESCALATE)
                self._fail(remains, action)
                return remains
            if self._span is not None:
                self._span.record_exception(remains)
            failure = None
            retries += 1
            self._message = now.current = self._message._again(self._message.attempt + 1)
            self._begun = self._message
            current_message.set(self._message)
            context = before.copy()
            context.run(current_message.set, self._message)

    async def _handle(self, timeout: float | None) -> Any:
        """Call the handler, in a thread and with a time limit if it wants that."""
        handle = self._agent.handle
        if (ambiguity := self._agent._civitas_ambiguity) is not None:
            self._suspending = Suspending(self._agent, ambiguity, self._node, self._now)
            self._begun, question = await self._suspending.begin(self._message)
            if question is not None:
                return question
        run = self._agent._civitas_incarnation
        if self._begun.type == "resume" or (run is not None and run.spending().may_ask):
            self._budget_stop = BudgetStop(self._agent, self._node, self._now)
            self._begun = await self._budget_stop.begin(self._begun)
        if run is not None:
            await run.spending().begin()
        if timeout is None:
            return await call(self._node, handle, self._begun)
        try:
            async with asyncio.timeout(timeout) as bound:
                return await call(self._node, handle, self._begun)
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise TimeoutError(
                f"handle took longer than its handle_timeout of {timeout:g} s"
            ) from error

    async def _ends(self, *, over: bool) -> None:
        """What has to be in the store before anybody hears of the end of this message.

        Args:
            over: Whether the run that another message began ends with this one.
        """
        await self._now.timers.written()
        if over and self._begun is not self._message:
            for each in (self._suspending, self._budget_stop):
                if each is not None:
                    await each.ends(self._message)

    async def _decide(self, error: BaseException) -> tuple[ErrorAction, BaseException]:
        if not isinstance(error, Exception):
            return ErrorAction.ESCALATE, error
        if self._suspending is not None and error is self._suspending.refused:
            return ErrorAction.SKIP, error
        if self._budget_stop is not None and error is self._budget_stop.refused:
            return ErrorAction.SKIP, error
        agent = self._agent
        try:
            if self._node.turns.long:
                await self._node.turns.give_way()
            if getattr(agent.on_error, "__func__", None) is AgentProcess.on_error:
                if isinstance(error, BudgetExceeded):
                    return ErrorAction.SKIP, error
                return ErrorAction.ESCALATE, error
            action = await call(self._node, agent.on_error, error, self._begun)
            action = choose(ErrorAction, action, f"what on_error of {agent.name!r} returns")
            if isinstance(error, BudgetExceeded) and action is not ErrorAction.STOP:
                action = ErrorAction.SKIP  # neither another try nor a restart brings more
            return action, error
        except BaseException as raised:
            if self._was_abandoned(raised):
                return ErrorAction.SKIP, error
            raised.__context__ = raised.__context__ or error  # the traceback shows both
            return ErrorAction.ESCALATE, raised

    async def _unless_asked(self, failure: BaseException) -> tuple[BaseException | None, bool]:
        """What remains of a failure that a human may be asked about, and whether one is."""
        if self._suspending is not None and isinstance(failure, NobodyKnows):
            return await self._interrupted(self._suspending)
        if isinstance(failure, BudgetExceeded) and failure.asks:
            remains = await self._asked_for_more(failure)
            return remains, remains is None
        return failure, False

    async def _asked_for_more(self, error: BudgetExceeded) -> BaseException | None:
        """A human is asked to raise a budget; returns why that cannot be said."""
        if error.agent != self._agent.name:
            return error  # another agent's, which this one asked
        try:
            stop = BudgetStop(self._agent, self._node, self._now)
            question = await stop.ask(self._message, self._begun, error)
            await self._now.timers.written()
            self._deliveries.finished(self._message, question)
        except Exception as failed:
            return failed
        return None

    async def _interrupted(self, suspending: Suspending) -> tuple[BaseException | None, bool]:
        """The handler came to calls that nobody knows of: what went wrong with asking, and whether a human is asked."""
        try:
            question = await suspending.suspend_late(self._message)
            if question is None:
                return None, False
            await self._now.timers.written()
            self._deliveries.finished(self._message, question)
        except Exception as error:
            return error, False
        return None, True

    def _was_abandoned(self, error: BaseException) -> bool:
        """Whether `error` is what `abandon` made of the handler; what is to end the whole process is raised again."""
        if Fork.happened:
            unless_copied(self._node.loop, error)
        if isinstance(error, EVERYBODYS):
            raise error
        unless_dropped(error, self._agent)
        if self._now.killed:
            raise asyncio.CancelledError from error  # also where it became something else on its way out
        return self._now.abandoned

    def _fail(self, failure: BaseException, action: ErrorAction) -> None:
        """Give the message up, as `on_error` decided."""
        tracing, span = self._node.tracing, self._span
        if action is ErrorAction.SKIP or action is ErrorAction.STOP:
            self._deliveries.failed(self._message, failure)
            if action is ErrorAction.STOP and self._now.end is None:
                self._now.end = NORMAL
        else:
            self._crash(failure)
            self._comes_again()
            if span is not None:
                tracing.event(span, names.EVENT_CRASH)
        if span is not None:
            tracing.fail(span, failure)

    def _comes_again(self) -> None:
        """The message may be delivered again: the span of that is linked to this one."""
        tracing = self._node.tracing
        if self._span is not None and tracing.active:
            tracing.failed(self._message.id, self._span)

    def _crash(self, error: BaseException) -> None:
        """Decide at once what becomes of the message and of the queue behind it."""
        options, message = self._agent._civitas_options, self._message
        again = options.delivery is not Delivery.AT_MOST_ONCE
        reason = ExitReason.crashed(error, message.headers, of_message(message.id) if again else "")
        if self._now.end is not None:
            logger.error(
                "agent %r crashed on its last message before its stop: %s",
                self._agent.name,
                escaped(str(reason)),
            )
        self._now.end = reason
        assert reason.failure is not None
        self._deliveries.crashed(message, reason.failure, options)

"""One run of an agent: from a fresh instance to its exit reason."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context as ContextVariables
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from civitas.errors import AgentTerminated, ConfigurationError, NoReply
from civitas.message import Message, new_message
from civitas.process.agent import AgentProcess, ErrorAction
from civitas.process.context import Context, current_agent, current_message
from civitas.process.exit_reason import KILLED, NORMAL, SHUTDOWN, ExitReason, Failure, Unfinished
from civitas.process.options import Delivery, choose
from civitas.process.own_context import InContext, differs
from civitas.process.resources import Resources
from civitas.process.steps import Steps
from civitas.process.timer import Timer
from civitas.state.patience import patiently
from civitas.telemetry import names
from civitas.tools.forked import Fork, unless_copied
from civitas.tools.threads import in_thread, tool_threads

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from civitas.process.mailbox import Mailbox

__all__ = ["Incarnation"]

_Result = TypeVar("_Result")

logger = logging.getLogger("civitas")

# Seconds for the `on_stop` of an agent that has no `shutdown_timeout`, when it ends by itself.
_LAST_WORDS = 30.0

# How many messages one agent handles before the others get a turn, should nothing in its handler wait: Erlang's
# reductions. An agent that sends to itself would else have the loop for itself.
_TURN = 32

_NO_VARIABLES = ContextVariables()

# All else that user code raises ends its agent alone, and is told. SystemExit, for one: a library that calls sys.exit()
# in a tool must end its agent, not everybody's.
_EVERYBODYS = KeyboardInterrupt


class Incarnation:
    """One run of an agent, in one task, one message at a time.

    Args:
        agent: A fresh instance.
        mailbox: Of the agent's name.
        node: The node it runs on.
        deliveries: How many incarnations were given the first message of the mailbox, by its id; shared by the
            incarnations of one name.
    """

    __slots__ = (
        "_abandoned",
        "_clean",
        "_deliveries",
        "_end",
        "_killed",
        "_noting",
        "_resources",
        "_serving",
        "_simple",
        "_stained",
        "agent",
        "asking",
        "current",
        "mailbox",
        "name",
        "node",
        "over",
        "steps",
        "task",
        "timers",
    )

    def __init__(
        self,
        agent: AgentProcess,
        mailbox: Mailbox,
        node: Context,
        deliveries: dict[str, int],
    ) -> None:
        self.agent = agent
        self.name = agent.name
        self.mailbox = mailbox
        self.node = node
        self.over = False
        self.current: Message | None = None
        self.asking: dict[str, str] = {}
        """The agents that the running handler waits for, by the id of its message to each."""
        self.task: asyncio.Task[Any] | None = None
        """The one that runs it."""
        self.timers: set[Timer] = set()
        self.steps: Steps | None = None
        """The recorded steps of the message being handled, where there are any."""
        self._deliveries = deliveries
        self._end: ExitReason | None = None
        self._killed = False
        self._abandoned = False
        self._serving = False
        self._clean = _NO_VARIABLES
        """The context variables as `on_start` left them: what each handler begins with."""
        self._resources: Resources | None = None
        self._stained = False
        """Whether a handler has set some in the context of this task, which cannot be undone there."""
        # Whether `handle` may be awaited as it is: it needs neither a thread nor a time limit.
        self._noting: Awaitable[None] | None = None
        """Ends when a kill of this process with the message in hand would count as a delivery of it."""
        self._simple = False

    def blocked_by(self, message: Message | None) -> bool:
        """Whether it takes no message while code waits that runs for `message`; None in `on_start` and `on_stop`."""
        return message is self.current and (message is not None or not self._serving)

    # Signals: they overtake the mailbox.

    def end(self, reason: ExitReason) -> None:
        """End with `reason` after the message being handled."""
        if self._end is None:
            self._end = reason
        self.mailbox.wake()

    def shut_down(self) -> None:
        """End with reason `shutdown` after the message being handled, which may be left where it is."""
        self.end(SHUTDOWN)
        if self.current is not None:
            self.agent._civitas_wind_down()

    @property
    def shuts_down(self) -> bool:
        """Whether its supervisor waits for its end."""
        return self._end is SHUTDOWN

    def kill(self, task: asyncio.Task[ExitReason]) -> None:
        """Cancel it, whatever it does. `task` is the one that runs it."""
        self._killed = True
        self._end = KILLED
        task.cancel()

    def leave_behind(self) -> None:
        """It ignores being killed: nothing it does from now on counts."""
        self.over = True
        self._give_back()

    def abandon(self, message: Message, task: asyncio.Task[ExitReason]) -> None:
        """Cancel the handler of `message`, as nobody waits for it any more; the process lives on."""
        current = self.current
        if current is not None and current.id == message.id and not self._abandoned:
            self._abandoned = True
            task.cancel()

    # For the agent.

    @property
    def resources(self) -> Resources:
        """What it opened, to be closed in its own task when it ends, however it ends."""
        if self._resources is None:
            self._resources = Resources()
        return self._resources

    def passing_key(self, name: str) -> str:
        """A key of the StateStore that is dropped with the steps of the message being handled."""
        return self._steps().passing_key(name)

    async def step(self, key: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Run `function` once per message; see `AgentProcess.step`."""
        return await self._steps().run(key, lambda: self._call(function, *args))

    def _steps(self) -> Steps:
        if self.steps is None:
            message = current_message.get()
            assert message is not None  # who calls this handles one
            self.steps = Steps(self.node.store, self.name, message)
        return self.steps

    # The run.

    async def run(self, started: asyncio.Future[None]) -> ExitReason:
        """Run from start to end; `started` learns whether `on_start` returned."""
        self.task = asyncio.current_task()
        tool_threads.set(self.node.tool_threads)
        self._run_as(self.agent)
        try:
            reason = await self._live(started)
            return reason if self._resources is None else await self._close_resources(reason)
        finally:
            self.over = True
            self.asking = {}
            for timer in tuple(self.timers):
                timer.cancel()
            # The template that ran first keeps this one, which keeps no task and no message of its own alive.
            self.task, self._clean = None, _NO_VARIABLES

    async def _live(self, started: asyncio.Future[None]) -> ExitReason:
        try:
            await self._start()
        except asyncio.CancelledError as error:
            if self._killed:
                started.set_exception(AgentTerminated(self.name, "it was stopped while it started"))
                return KILLED
            started.set_exception(_as_exception(error))
            return ExitReason.crashed(error)
        except _EVERYBODYS:
            raise
        except BaseException as error:
            self._unless_dropped(error)
            started.set_exception(_as_exception(error))
            return ExitReason.crashed(error)
        started.set_result(None)
        self._serving = True
        try:
            reason = await self._serve()
        except asyncio.CancelledError:
            self._give_back()
            return KILLED
        self._serving = False
        return KILLED if self._killed else await self._stop(reason)

    async def _close_resources(self, reason: ExitReason) -> ExitReason:
        try:
            async with asyncio.timeout(self._time_to_stop()):
                await self.resources.close_all(f"agent {self.name!r}")
        except asyncio.CancelledError:
            return KILLED
        except TimeoutError:
            logger.exception("agent %r: what it had opened could not be closed in time", self.name)
        return reason

    def _run_as(self, agent: AgentProcess) -> None:
        agent._civitas_incarnation = self
        current_agent.set(agent)
        self.agent = agent
        self._simple = agent._civitas_options.handle_timeout is None and _is_async(agent.handle)

    async def _start(self) -> None:
        agent = await self.agent._civitas_open(self)
        if agent is not self.agent:  # which one it is was not known before
            agent.name, agent._civitas_family = self.name, self.agent._civitas_family
            self._run_as(agent)
        saved = await patiently(lambda: self.node.store.get(self.name), self.name)
        if saved is not None:
            self.agent.state = saved
        on_start = self.agent.on_start
        if _is_async(on_start):
            await self._call(on_start)
            self._clean = copy_context()
        else:
            # What it sets is seen by the handlers, as if it had run here.
            self._clean = copy_context()
            result = await in_thread(self.node.executor, on_start, context=self._clean)
            if inspect.isawaitable(result):
                await result
            self._stained = differs(copy_context(), self._clean)

    async def _stop(self, reason: ExitReason) -> ExitReason:
        """Let the agent clean up; an error there is the exit reason, unless there is one already."""
        if getattr(self.agent.on_stop, "__func__", None) is AgentProcess.on_stop:
            return reason  # it does nothing, and needs no time limit for that
        # What it sends now is no part of the last message, nor bound to its deadline.
        current_message.set(None)
        try:
            async with asyncio.timeout(self._time_to_stop()):
                await self._call(self.agent.on_stop)
        except asyncio.CancelledError:
            return KILLED if self._killed else reason
        except _EVERYBODYS:
            raise
        except BaseException as error:
            self._unless_dropped(error)
            logger.exception("agent %r: on_stop raised; it ends all the same", self.name)
            if reason.failure is None:
                return ExitReason.crashed(error)
        return reason

    def _time_to_stop(self) -> float | None:
        """Seconds for `on_stop`. Who is cancelled at once when it is stopped may still end well by itself."""
        timeout = self.agent._civitas_options.shutdown_timeout
        return _LAST_WORDS if timeout == 0 else timeout

    async def _serve(self) -> ExitReason:
        agent, mailbox, tracing, loop = self.agent, self.mailbox, self.node.tracing, self.node.loop
        turns, turn = self.node.turns, 0
        while self._end is None:
            message = mailbox.take()
            turn += 1
            if message is None:
                turn = 0
                await mailbox.readable(loop)
                await turns.give_way()  # thousands may have been woken together
            elif message.deadline is not None and message.deadline < time.time():
                self.node.dead_letter(message, "expired")
                if message.attempt:
                    self._deliveries.clear()
            else:
                self.current = message
                current_message.set(message)
                if foreign := self.node.foreign:
                    self._noting = self.node.take_in_hand(self.name, message)
                if (
                    self._simple
                    and self._noting is None
                    and not (tracing.active or tracing.metrics.active or self._stained)
                ):
                    # Nearly all messages come this way. A coroutine between this loop and the handler was measured to
                    # cost as much as taking the message out of the mailbox, so there is none until something fails.
                    before = copy_context()
                    try:
                        result = await agent.handle(message)
                        if differs(before, copy_context()):
                            self._stained = True
                            unless_copied(loop)  # a fork shows as such a change
                        if result is not None or message.reply_to is not None or self._deliveries:
                            self._finish(message, result)
                    except BaseException as error:
                        await self._attempts(message, None, before, error)
                        self._stained = differs(before, copy_context())
                elif self._stained:
                    await InContext(self._clean.copy(), self._alone(message))
                else:
                    before = copy_context()
                    await self._observed(message)
                    self._stained = differs(before, copy_context())
                if self.asking:
                    self.asking = {}
                # Not in a finally: what a kill interrupts stays current, and `run` decides what becomes of it.
                self.current = None
                if self._abandoned:
                    self._live_on()
                # Before its steps are dropped: who is killed in between leaves a record too many, and no step is done
                # again.
                if foreign and message.id not in self._deliveries:
                    self.node.settle(message)
                if self.steps is not None:
                    await self._forget_steps(message)
                if turn >= _TURN:
                    turn = 0
                    await asyncio.sleep(0)
        return self._end

    def _live_on(self) -> None:
        """The cancellation that `abandon` made was for the handler, and it is over."""
        self._abandoned = False
        task = asyncio.current_task()
        if task is not None and not self._killed:
            task.uncancel()

    async def _alone(self, message: Message) -> None:
        """Handle a message in a context that no other one was handled in."""
        current_message.set(message)
        await self._observed(message)

    async def _observed(self, message: Message) -> None:
        """Handle a message in its span, and measure that."""
        tracing = self.node.tracing
        if tracing.active:
            with tracing.process(message, self.name) as span:
                await self._measured(message, span)
        else:
            await self._measured(message, None)

    async def _measured(self, message: Message, span: Span | None) -> None:
        began = time.perf_counter()
        failure = await self._attempts(message, span, copy_context())
        metrics = self.node.tracing.metrics
        if metrics.active:
            error = type(failure).__name__ if failure is not None else None
            metrics.processed(self.name, time.perf_counter() - began, error)

    async def _attempts(
        self,
        message: Message,
        span: Span | None,
        before: ContextVariables,
        failure: BaseException | None = None,
    ) -> BaseException | None:
        """Handle a message, as often as `on_error` says.

        Args:
            message: What to handle.
            span: Where to record a failure.
            before: The context variables before the first attempt; each further one begins with those.
            failure: What the first attempt raised, where that was made already.

        Returns:
            The error that remained.
        """
        options = self.agent._civitas_options
        retries = 0
        context: ContextVariables | None = None
        while True:
            if failure is None:
                try:
                    if self._noting is not None:
                        noting, self._noting = self._noting, None
                        await noting
                    handling = self._handle(message, options.handle_timeout)
                    result = await _within(context, handling)
                    if Fork.happened:
                        unless_copied(self.node.loop)
                    self._finish(message, result)
                    return None
                except BaseException as error:
                    failure = error
            if Fork.happened:
                unless_copied(self.node.loop, failure)
            failure = self._explained(failure)
            if self._was_abandoned(failure) or self.over:
                return None
            if isinstance(failure, Unfinished) and self._end is not None:
                self._give_back()
                return None
            decision = await _within(context, self._decide(failure, message))
            action, failure = decision
            if action is not ErrorAction.RETRY or retries >= options.max_retries:
                self._fail(message, failure, action, span)
                return failure
            if span is not None:
                span.record_exception(failure)
            failure = None
            retries += 1
            message = message.again(message.attempt + 1)
            self.current = message
            current_message.set(message)
            context = before.copy()
            context.run(current_message.set, message)

    def _fail(
        self, message: Message, failure: BaseException, action: ErrorAction, span: Span | None
    ) -> None:
        """Give the message up, as `on_error` decided."""
        tracing = self.node.tracing
        if action is ErrorAction.SKIP or action is ErrorAction.STOP:
            self._deliveries.clear()
            self.node.refuse(message, Failure.of(failure).as_error(self.name))
            if action is ErrorAction.STOP:
                self.end(NORMAL)
        else:
            self._crash(message, failure)
            if span is not None:
                tracing.event(span, names.EVENT_CRASH)
        if span is not None:
            tracing.fail(span, failure)

    async def _handle(self, message: Message, timeout: float | None) -> Any:
        """Call the handler, in a thread and with a time limit where it wants that."""
        if timeout is None:
            return await self._call(self.agent.handle, message)
        try:
            async with asyncio.timeout(timeout) as bound:
                return await self._call(self.agent.handle, message)
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise TimeoutError(
                f"handle took longer than its handle_timeout of {timeout:g} s"
            ) from error

    def _in_own_name(self, message: Message, given: Message) -> Message:
        """The reply for a handler that returned another message, such as the answer to an ask of its own."""
        return new_message(
            given.type,
            self.name,
            message.reply_to or "",
            given.raw,
            correlation_id=message.id,
            conversation=given.conversation or message.conversation,
        )

    def _finish(self, message: Message, result: object) -> None:
        """Hand on what the handler returned."""
        if self.over:
            return
        if isinstance(result, Message):
            if result.correlation_id != message.id:
                result = self._in_own_name(message, result)
            self.node.answer(message, result)
        elif result is not None:
            raise ConfigurationError(
                f"handle of {self.name!r} returned {type(result).__name__}; return self.reply(...) or None"
            )
        elif message.reply_to is not None:
            self.node.refuse(message, NoReply(self.name, message.type))
        if self._deliveries:
            self._deliveries.clear()

    async def _decide(
        self, error: BaseException, message: Message
    ) -> tuple[ErrorAction, BaseException]:
        if not isinstance(error, Exception):
            return ErrorAction.ESCALATE, error
        try:
            await self.node.turns.give_way()
            action = await self._call(self.agent.on_error, error, message)
            return choose(ErrorAction, action, f"what on_error of {self.name!r} returns"), error
        except BaseException as raised:
            if self._was_abandoned(raised):
                return ErrorAction.SKIP, error
            raised.__context__ = raised.__context__ or error  # the traceback shows both
            return ErrorAction.ESCALATE, raised

    def _was_abandoned(self, error: BaseException) -> bool:
        """Whether `error` is what `abandon` made of the handler; what is to end the whole process is raised again."""
        if isinstance(error, _EVERYBODYS):
            raise error
        self._unless_dropped(error)
        if self._killed:
            raise asyncio.CancelledError from error  # also where it became something else on its way out
        return self._abandoned

    def _unless_dropped(self, error: BaseException) -> None:
        """Raise `error` again where Python throws away the coroutine that runs this; a handler may raise the same."""
        if isinstance(error, GeneratorExit) and current_agent.get(None) is not self.agent:
            raise error

    def _explained(self, error: BaseException) -> BaseException:
        """`error`, or what to say instead of a cancellation that neither a kill nor a leaving asker made."""
        if not isinstance(error, asyncio.CancelledError) or self._killed or self._abandoned:
            return error
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            return error
        while task.uncancel():  # it is the failure of this message alone; `on_stop` may wait
            pass
        told = asyncio.CancelledError(
            "the task that runs the agent was cancelled, as by asyncio.current_task().cancel() in its handler; "
            "raise an error to fail, or call self.stop() to end"
        )
        return told.with_traceback(error.__traceback__)

    def _crash(self, message: Message, error: BaseException) -> None:
        """Decide at once what becomes of the message and of the queue behind it."""
        again = self.agent._civitas_options.delivery is Delivery.AT_LEAST_ONCE
        # What one message does by being delivered again is one incident, which `max_deliveries` bounds: it must not use
        # up the restarts of the agent's siblings.
        reason = ExitReason.crashed(error, message.headers, message.id if again else "")
        failure = reason.failure
        assert failure is not None
        if self._end is not None:
            logger.error(
                "agent %r crashed on its last message before its stop: %s", self.name, reason
            )
        self._end = reason
        if again:
            self._redeliver(message, failure)
            return
        self._drop(message, failure, "crashed")
        for waiting in self.mailbox.clear():
            self._drop(waiting, failure, "crashed")

    def _redeliver(self, message: Message, failure: Failure) -> None:
        """Leave `message` to the next incarnation, unless as many were given it as may be."""
        given = self._deliveries.get(message.id, 0) + 1
        if given < self.agent._civitas_options.max_deliveries:
            self._deliveries[message.id] = given
            self.mailbox.put_back(message.again(message.attempt + 1))
        else:
            self._deliveries.clear()
            self._drop(message, failure, "max_deliveries")

    async def _forget_steps(self, message: Message) -> None:
        steps, self.steps = self.steps, None
        if steps is None or message.id in self._deliveries:
            return
        try:
            await steps.forget()
        except Exception:
            # The message is finished all the same; what is left in the store does no harm.
            logger.exception(
                "agent %r: the steps of a finished message were not dropped", self.name
            )

    def _give_back(self) -> None:
        """A kill met the handler: its message is redelivered where that was promised."""
        message, self.current = self.current, None
        if message is None:
            return
        why = "it was stopped while it handled the message"
        if self.agent._civitas_options.delivery is Delivery.AT_LEAST_ONCE:
            self._redeliver(message, Failure("CancelledError", why, ""))
        else:
            self.node.refuse(message, AgentTerminated(self.name, why))
            self.node.dead_letter(message, "terminated")
            if self.steps is not None:
                self.node.forget_records(message)

    def _drop(self, message: Message, failure: Failure, reason: str) -> None:
        self.node.refuse(message, failure.as_error(self.name))
        self.node.dead_letter(message, reason)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call what the user wrote: an `async def` here, a plain `def` in a thread of the runtime's pool."""
        if _is_async(function):
            try:
                result = await function(*args)
            except BaseException as error:
                if Fork.happened:
                    unless_copied(self.node.loop, error)
                raise
            if Fork.happened:
                unless_copied(self.node.loop)
            return result
        result = await in_thread(self.node.executor, function, *args)
        return await result if inspect.isawaitable(result) else result


async def _within(
    context: ContextVariables | None, coroutine: Coroutine[Any, Any, _Result]
) -> _Result:
    """Await in `context`, or in that of the task."""
    return await (coroutine if context is None else InContext(context, coroutine))


def _as_exception(error: BaseException) -> Exception:
    """What a future may carry: SystemExit and CancelledError would end more than their agent."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether it is an `async def`; `inspect` alone takes longer than a new incarnation may."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        return True
    return inspect.iscoroutinefunction(function)

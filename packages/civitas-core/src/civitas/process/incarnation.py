"""One run of an agent: from a fresh instance to its exit reason."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import time
import weakref
from contextvars import Context as ContextVariables
from contextvars import copy_context
from typing import Any, cast

from civitas.budgets import Spending
from civitas.errors import AgentTerminated
from civitas.message import Message
from civitas.process.agent import AgentProcess, current_agent
from civitas.process.context import Context
from civitas.process.current import current_message
from civitas.process.deliveries import Deliveries
from civitas.process.exit_reason import KILLED, SHUTDOWN, ExitReason
from civitas.process.handling import Handling
from civitas.process.mailbox import Mailbox
from civitas.process.options import Delivery
from civitas.process.own_context import InContext, differs
from civitas.process.resources import Resources, close_in_time
from civitas.process.run_state import RunState
from civitas.process.slow_start import has_started
from civitas.process.step_keeper import StepKeeper
from civitas.process.user_code import EVERYBODYS, as_exception, call, is_async, unless_dropped
from civitas.state.in_memory import is_new
from civitas.state.patience import PatientStore
from civitas.tools.forked import unless_copied
from civitas.tools.threads import in_thread, tool_threads

__all__ = ["Incarnation"]
logger = logging.getLogger("civitas")

_LAST_WORDS = 30.0
"""Seconds for the `on_stop` of an agent that has no `shutdown_timeout`, when it ends by itself."""

_TURN = 256
"""The most messages that one agent handles before the others get a turn, should nothing in its handler wait.

Erlang's reductions: an agent that sends to itself would else have the loop for itself.
"""
_LONG = 0.0002
"""Seconds after which they get theirs sooner."""
_LARGE = 2 * 1024
"""Bytes of a reply that count as one message more: to send a large one takes the time of thousands."""

_NEVER = math.inf
_NO_VARIABLES = ContextVariables()


class Incarnation:
    """One run of an agent, in one task, one message at a time.

    Args:
        agent: A fresh instance.
        mailbox: Of the agent's name.
        node: The node it runs on.
        deliveries: Of the agent's name.
    """

    __slots__ = (
        "_clean",
        "_deliveries",
        "_resources",
        "_simple",
        "_stained",
        "agent",
        "asking",
        "began",
        "mailbox",
        "name",
        "node",
        "now",
        "store",
        "task",
        "timers",
    )

    def __init__(
        self,
        agent: AgentProcess,
        mailbox: Mailbox,
        node: Context,
        deliveries: Deliveries,
    ) -> None:
        self.agent = agent
        self.name = agent.name
        self.mailbox = mailbox
        self.node = node
        self.now = RunState()
        self.began = time.time()
        """Unix seconds when it began."""
        self.store: PatientStore | None = None
        """The state store as its agent has it, once that is used."""
        self.asking: dict[str, str] = {}
        """The agents that the running handler waits for, by the id of its message to each."""
        self.task: asyncio.Task[Any] | None = None
        self.timers = self.now.timers
        self._deliveries = deliveries
        self._resources: Resources | None = None
        self._simple = False
        """Whether `handle` may be awaited as it is: it needs neither a thread nor a time limit, nor is it durable."""
        self._clean = _NO_VARIABLES
        """The context variables as `on_start` left them: what each handler begins with."""
        self._stained = False
        """Whether a handler has set some in the context of this task, which cannot be undone there."""

    @property
    def family(self) -> str:
        """The name it stands behind: that of its pool for a conversation; for most its own."""
        return self.agent._civitas_family

    def blocked_by(self, message: Message | None) -> bool:
        """Whether it takes no message while code waits that runs for `message`; None in `on_start` and `on_stop`."""
        return message is self.now.current and (message is not None or not self.now.serving)

    # Signals: they overtake the mailbox.

    def end(self, reason: ExitReason) -> None:
        """End with `reason` after the message being handled."""
        if self.now.end is None:
            self.now.end = reason
        self.mailbox.wake()

    def shut_down(self) -> None:
        """End with reason `shutdown` after the message being handled, which may be left where it is."""
        self.end(SHUTDOWN)
        if self.now.current is not None:
            self.agent._civitas_wind_down()

    @property
    def shuts_down(self) -> bool:
        """Whether its supervisor waits for its end."""
        return self.now.end is SHUTDOWN

    def leave_behind(self) -> None:
        """It ignores being killed: nothing it does from now on counts."""
        self._is_over()
        self._give_back()

    # For the agent.

    @property
    def resources(self) -> Resources:
        """What it opened, to be closed in its own task when it ends, however it ends."""
        if self._resources is None:
            self._resources = Resources()
        return self._resources

    def spending(self) -> Spending:
        """What the handling of the message in hand spends."""
        if (spending := self.now.spending_now) is None:
            current = self.now.current
            tells = self.now.pays(current)
            spending = self.now.spends(self.node.budgets.begin(self.agent, current, tells))
        return spending

    @property
    def step_keeper(self) -> StepKeeper:
        """What is recorded of the messages that it handles."""
        return StepKeeper(self.agent, self.node, self.now)

    # The run.

    async def run(self, started: asyncio.Future[None]) -> ExitReason:
        """Run from start to end; `started` learns whether `on_start` returned."""
        self.task = asyncio.current_task()
        tool_threads.set(self.node.tool_threads)
        self._run_as(self.agent)
        try:
            reason = await self._begin(started)
            del started  # this coroutine is there as long as the agent
            if reason is None:
                self.now.serving = True
                try:
                    # Awaited here, and not a coroutine further in: each that a message wakes it through costs time.
                    reason = await self._serve()
                except asyncio.CancelledError:
                    self._give_back()
                    reason = KILLED
                else:
                    self.now.serving = False
                    reason = KILLED if self.now.killed else await self._stop(reason)
            if self._resources is None:
                return reason
            closing = close_in_time(self._resources, f"agent {self.name!r}", self._time_to_stop())
            return reason if await closing else KILLED
        finally:
            self._is_over()
            self.asking = {}
            self.timers.end()
            # The template that ran first keeps this one, which keeps no task and no message of its own alive.
            self.task, self.store, self._clean = None, None, _NO_VARIABLES

    def _is_over(self) -> None:
        """Nothing that it does counts any more."""
        self.now.over = True
        self.now.spent_all(comes_again=True)
        if self.now.steps is not None and self.now.steps.open is not None:
            self.now.steps.open.leave()
        self.agent._civitas_node = None

    def release(self) -> None:
        """It is over for good. Only its agent keeps it: of thousands that go to sleep, none waits for the collector."""
        if not isinstance(agent := cast("Any", self.agent), weakref.ProxyType):
            self.agent = cast("AgentProcess", weakref.proxy(agent))

    async def _begin(self, started: asyncio.Future[None]) -> ExitReason | None:
        """Start; why it ended if it did not start, otherwise None."""
        try:
            await self._start()
        except asyncio.CancelledError as error:
            if self.now.killed:
                has_started(started, AgentTerminated(self.name, "it was stopped while it started"))
                return KILLED
            has_started(started, as_exception(error))
            return ExitReason.crashed(error)
        except EVERYBODYS:
            raise
        except BaseException as error:
            unless_dropped(error, self.agent)
            has_started(started, as_exception(error))
            return ExitReason.crashed(error)
        self.node.tracing.look()  # its module, or its `on_start`, may have set up telemetry
        has_started(started)
        return None

    def _run_as(self, agent: AgentProcess) -> None:
        agent._civitas_incarnation, agent._civitas_node = self, self.node
        current_agent.set(agent)
        self.agent, self.store = agent, None
        options = agent._civitas_options
        may_wait = options.handle_timeout is not None or options.delivery is Delivery.DURABLE
        may_wait = may_wait or self.node.budgets.limits(agent)
        self._simple = not may_wait and is_async(agent.handle)

    async def _start(self) -> None:
        agent = await self.agent._civitas_open(self)
        if agent is not self.agent:  # which one it is was not known before
            agent.name, agent._civitas_family = self.name, self.agent._civitas_family
            self.agent._civitas_node = None
            self._run_as(agent)
        new = is_new(self.node.store, self.name)
        if not new and (saved := await self.agent.store.get(self.name)) is not None:
            self.agent.state = saved
        on_start = self.agent.on_start
        if getattr(on_start, "__func__", None) is AgentProcess.on_start:
            self._clean = copy_context()  # it does nothing
        elif is_async(on_start):
            await call(self.node, on_start)
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
        current_message.set(
            None
        )  # what it sends now is neither part of the last one nor bound to its deadline
        try:
            async with asyncio.timeout(self._time_to_stop()):
                await call(self.node, self.agent.on_stop)
        except asyncio.CancelledError:
            return KILLED if self.now.killed else reason
        except EVERYBODYS:
            raise
        except BaseException as error:
            unless_dropped(error, self.agent)
            logger.exception(
                "agent %r: on_stop raised an error; the agent ends all the same", self.name
            )
            if reason.failure is None:
                return ExitReason.crashed(error)
        return reason

    def _time_to_stop(self) -> float | None:
        """Seconds for `on_stop`. An agent that is cancelled at once when it is stopped may still end well by itself."""
        timeout = self.agent._civitas_options.shutdown_timeout
        return _LAST_WORDS if timeout == 0 else timeout

    async def _serve(self) -> ExitReason:
        agent, mailbox, node, now = self.agent, self.mailbox, self.node, self.now
        deliveries, tracing, loop, turns = self._deliveries, node.tracing, node.loop, node.turns
        turn, began, clock = 0, 0.0, time.time
        while now.end is None:
            message = mailbox.take()
            turn += 1
            if message is None:
                turn = 0
                if not await mailbox.readable(loop) and turns.long:
                    await turns.give_way()  # thousands may have been woken together
            elif (message.deadline or _NEVER) < (since := clock()):
                deliveries.expired(message)
            else:
                now.current, now.since = message, since
                if turn == 1:
                    began = since
                current_message.set(message)
                noting = node.take_in_hand(self.name, message) if node.foreign else None
                if (
                    self._simple
                    and noting is None
                    and not (tracing.active or tracing.metrics.active or self._stained)
                ):
                    # Nearly all messages come this way. A coroutine between this loop and the handler was measured to
                    # cost as much as taking the message out of the mailbox, so there is none until something fails.
                    before = copy_context()
                    try:
                        result = await agent.handle(message)
                        try:
                            changed = before != copy_context()
                        except Exception:  # as in `differs`, which takes as long as both copies
                            changed = True
                        if changed:
                            self._stained = True
                            unless_copied(loop)  # a fork shows as such a change
                        if (
                            result is not None or message.reply_to is not None or deliveries.given
                        ) and not now.over:
                            deliveries.finished(message, result)
                            if result is not None:
                                turn += len(result.raw) // _LARGE
                    except BaseException as error:
                        handling = Handling(agent, node, now, deliveries, message)
                        await handling.attempts(before, error)
                        self._stained = differs(before, copy_context())
                else:
                    await self._handle(Handling(agent, node, now, deliveries, message, noting))
                if self.asking:
                    self.asking = {}
                # Not in a finally: what a kill interrupts stays current, and `run` decides what becomes of it.
                now.current = None
                if now.abandoned:
                    now.live_on()
                origin = (
                    node.settle(message)
                    if node.foreign and not deliveries.comes_again(message)
                    else None
                )
                if now.steps is not None or origin is not None or now.spending is not None:
                    await self._is_finished(message, origin)
                if turn >= _TURN or since - began >= _LONG:
                    turn = 0
                    await asyncio.sleep(0)
        return now.end

    async def _handle(self, handling: Handling) -> None:
        """Handle a message in the context of this task as long as that is clean, and in one of its own later."""
        if self._stained:
            await InContext(self._clean.copy(), handling.run_alone(simple=self._simple))
        else:
            before = copy_context()
            await handling.run(simple=self._simple)
            self._stained = differs(before, copy_context())

    async def _is_finished(self, message: Message, origin: Any) -> None:
        """Wait until that is known to whoever would send the message again, where it matters, and forget its steps."""
        steps, self.now.steps = self.now.steps, None
        comes_again = self._deliveries.comes_again(message)
        self.now.spent_all(comes_again=comes_again or (steps is not None and steps.kept))
        try:
            if steps is not None and (steps.kept or comes_again):
                await steps.leave()
        except Exception:
            logger.exception("agent %r: what is known of its calls was not written", self.name)
        if comes_again:
            return
        delivery = self.agent._civitas_options.delivery
        matters = delivery is Delivery.DURABLE or (
            steps is not None and delivery is not Delivery.AT_MOST_ONCE
        )
        # Were this process killed before that, the message would come again, and its steps be done again. A kill
        # repeats the one message of a durable agent that is in hand, and none before it. What may come finds its steps.
        comes_no_more = await origin.heard() if origin is not None and matters else True
        if steps is None or steps.kept or not comes_no_more:
            return
        try:
            await steps.forget()
        except Exception:  # it is finished all the same; what is left in the store does no harm
            logger.exception("agent %r: steps of a finished message were not dropped", self.name)

    def _give_back(self) -> None:
        """A kill met the handler."""
        message, self.now.current = self.now.current, None
        if message is not None:
            options, recorded = self.agent._civitas_options, self.now.steps is not None
            self._deliveries.interrupted(message, options, recorded=recorded)

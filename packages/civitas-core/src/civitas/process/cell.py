"""One agent of this OS process: its name, its mailbox, and the incarnation that runs now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from civitas.errors import StartFailed
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.process.agent import AgentProcess
from civitas.process.child_kind import ChildKind
from civitas.process.context import Context
from civitas.process.deliveries import Deliveries
from civitas.process.entry import Entry, TakesUnread
from civitas.process.exit_reason import KILLED, SHUTDOWN, ExitReason, PlainError, reason_of
from civitas.process.incarnation import Incarnation
from civitas.process.mailbox import Mailbox
from civitas.process.options import Delivery, RestartType
from civitas.process.status import Status
from civitas.state.patience import patiently

__all__ = ["Cell"]

logger = logging.getLogger("civitas")

# A task that swallows its cancellation is cancelled again; after this many times, a twentieth of a second
# apart, it is left behind: a supervisor must not hang because a child does.
_CANCELLATIONS, _BETWEEN_CANCELLATIONS = 20, 0.05

_CLOCKS_DIFFER = 0.001  # seconds, between the clock of the event loop and that of the deadlines


class Cell:
    """One agent of this OS process, as its supervisor and its senders see it.

    The mailbox belongs to the name: it is there before the first incarnation and between two of them.

    Args:
        template: What the user put in a children list; each incarnation is made by the same constructor call.
        node: The node it runs on.
        name: The template's own, or that of the conversation it is the template for.
        family: The name it stands behind for its senders; its own if that is empty.
    """

    __slots__ = (
        "_deliveries",
        "_incarnation",
        "_on_exit",
        "_task",
        "_template",
        "entry",
        "family",
        "generation",
        "mailbox",
        "name",
        "node",
        "on_ready",
        "restarts",
        "status",
    )

    kind = ChildKind.AGENT

    def __init__(self, template: AgentProcess, node: Context, name: str, family: str = "") -> None:
        self.name = name
        self.family = family or name
        self.node = node
        self.mailbox = Mailbox(self.name, template._civitas_options.mailbox_size)
        self.entry: Entry = self.mailbox
        """Where its senders put messages for it."""
        self.on_ready: Callable[[], None] | None = None
        """Called each time that an incarnation has started."""
        self.status = Status.STARTING
        self.restarts = 0
        self.generation = 0
        self._template = template
        self._deliveries = Deliveries(self.name, self.mailbox, node)
        self._incarnation: Incarnation | None = None
        self._task: asyncio.Task[ExitReason] | None = None
        self._on_exit: Callable[[ExitReason], None] | None = None

    @property
    def template(self) -> AgentProcess:
        """What each incarnation is made like."""
        return self._template

    @property
    def paused(self) -> bool:
        """Whether it takes no messages until it may go on; those that come wait."""
        return self.mailbox.paused

    def pause(self, paused: bool) -> None:
        """Let it take no messages behind the one in hand, or go on; that holds for the incarnations to come, too."""
        self.mailbox.pause(paused)

    @property
    def incarnation(self) -> Incarnation | None:
        """The one that runs, or ran last."""
        return self._incarnation

    @property
    def restart(self) -> RestartType:
        """When its supervisor starts it again."""
        return self._template._civitas_options.restart

    @property
    def delivery(self) -> Delivery:
        """What becomes of its messages when it crashes."""
        return self._template._civitas_options.delivery

    @property
    def shutdown_timeout(self) -> float | None:
        """Seconds it may take to stop; None for as long as it likes."""
        return self._template._civitas_options.shutdown_timeout

    @property
    def failures(self) -> int:
        """How many messages its incarnations gave up or crashed on."""
        return self._deliveries.failures

    @property
    def last_error(self) -> str:
        """Class name of the last of these errors; empty if there was none."""
        return self._deliveries.last_error

    @property
    def errors(self) -> Collection[tuple[float, str, PlainError]]:
        """The last of these errors, the newest last: when, the id of the message, and what."""
        return self._deliveries.errors or ()

    @property
    def conversations(self) -> set[str]:
        """Those of the messages that it has, in hand and waiting."""
        in_hand = self._incarnation.now.current if self._incarnation is not None else None
        messages = [*self.mailbox, *([in_hand] if in_hand is not None else ())]
        return {each.conversation for each in messages if each.conversation is not None}

    @property
    def doing(self) -> dict[str, Any] | None:
        """What it does with the message in hand, as plain data; None without one.

        The `message`'s id; and where there is something to say, as `Progress.plain` has it, and whom it `asks`.
        """
        incarnation = self._incarnation
        message = incarnation.now.current if incarnation is not None else None
        if incarnation is None or message is None:
            return None
        told: dict[str, Any] = {"message": message.id}
        progress = incarnation.now.progress
        if progress is not None and progress.message_id == message.id:
            told |= progress.plain() | progress.account()
        if incarnation.asking:
            told["asks"] = sorted(set(incarnation.asking.values()))
        return told

    def did(self, message_id: str) -> dict[str, Any] | None:
        """What it did for a message that it is finished with, as `doing`; None if that is not known any more."""
        progress = self._incarnation.now.progress if self._incarnation is not None else None
        if progress is None or progress.message_id != message_id:
            return None
        return {"message": message_id, **progress.plain(), **progress.account()}

    @property
    def asking(self) -> Mapping[str, str]:
        """The agents that its running handler waits for, by the id of its message to each."""
        return self._incarnation.asking if self._incarnation is not None else {}

    # For the supervisor.

    available = True
    """Whether a start need not wait for anything: its process is this one."""

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it is available."""
        callback()

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start an incarnation and wait until `on_start` has returned; `StartFailed` if that or its class raised."""
        await self.begun(self.begin(), on_exit)

    def begin(self) -> asyncio.Future[None]:
        """Begin to start an incarnation.

        Returns:
            Done when its `on_start` has returned or raised. Hand it to `begun`, then or before; if it has returned,
            `is_ready` will do.

        Raises:
            StartFailed: Its constructor raised.
        """
        self.status = Status.STARTING
        self._reopen()
        started: asyncio.Future[None] = self.node.loop.create_future()
        try:
            agent = self._template._civitas_fresh()
            agent.name = self.name
            agent._civitas_family = self.family
            agent._civitas_options = agent._civitas_options.delivered(self.delivery)
            incarnation = Incarnation(agent, self.mailbox, self.node, self._deliveries)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise StartFailed(self.name, error) from error
        self.generation += 1
        if self._incarnation is not None and self._incarnation.now.over:
            self._incarnation.release()
        self._incarnation = incarnation
        self._task = task = self.node.loop.create_task(
            incarnation.run(started),
            name=f"civitas:{self.name}",
            context=self.node.variables.copy(),
        )
        task.add_done_callback(self._ended)
        self.node.slow_starts.begins(started, self.name)
        return started

    async def begun(
        self, started: asyncio.Future[None], on_exit: Callable[[ExitReason], None]
    ) -> None:
        """Wait until what `begin` began has started; cancelled, it ends that."""
        incarnation, task = self._incarnation, self._task
        assert incarnation is not None and task is not None  # noqa: PT018 - `begin` was called
        try:
            await started
        except asyncio.CancelledError:
            self.node.slow_starts.over(started)
            await self._kill(incarnation, task)
            raise
        except Exception as error:
            self.node.slow_starts.over(started)
            await asyncio.wait({task})
            self._deliveries.count(PlainError.of(error))
            raise StartFailed(self.name, error) from error
        self.is_ready(started, on_exit)

    def is_ready(
        self, started: asyncio.Future[None], on_exit: Callable[[ExitReason], None]
    ) -> None:
        """What `begin` began has started: `on_exit` is called with the reason when it ends, unless `stop` ended it."""
        self.node.slow_starts.over(started)
        self._on_exit = on_exit
        self.status = Status.RUNNING
        if self.on_ready is not None:
            self.on_ready()
        task = self._task
        if task is not None and task.done():  # it ended in the same breath, before anyone listened
            self._ended(task)

    async def stop(self, why: str = "") -> None:
        """End the incarnation: let it finish its message and `on_stop`, cancel it after its `shutdown_timeout`.

        Args:
            why: If it is not started again: asks are refused with that from now on. What was only sent stays in the
                mailbox; see `close`.
        """
        incarnation, task = self._incarnation, self._task
        self._on_exit = None
        if incarnation is None or task is None or task.done():
            return
        timeout = self._template._civitas_options.shutdown_timeout
        if self.status is Status.STARTING or timeout == 0:
            await self._kill(incarnation, task)
            return
        self.status = Status.STOPPING
        incarnation.shut_down()
        if why:  # nobody will handle what waits; a run that is kept comes to the next program
            self._deliveries.refuse_asks(why, later=self.delivery is not Delivery.DURABLE)
        if incarnation.asking:
            self.node.last_words.begin(self)
        _, running = await asyncio.wait({task}, timeout=timeout)
        if running:
            await self._kill(incarnation, task)

    def refuse_asks(self, why: str) -> None:
        """It will be stopped for good: refuse the asks that wait in the mailbox."""
        self._deliveries.refuse_asks(why, later=False)

    async def interrupt(self) -> None:
        """End the incarnation at once if it handles a message; it is to be stopped all the same."""
        incarnation, task = self._incarnation, self._task
        if incarnation is None or task is None or task.done() or incarnation.now.current is None:
            return
        self._on_exit = None
        await self._kill(incarnation, task)

    async def sleep(self, why: str = "") -> None:
        """End the incarnation as `stop` does, and keep its state."""
        incarnation, task = self._incarnation, self._task
        await self.stop(why)
        if incarnation is None or task is None or not task.done():
            return
        state = incarnation.agent.state
        if state and reason_of(task) is SHUTDOWN:
            try:
                await patiently(lambda: self.node.store.set(self.name, state), self.name)
            except Exception:
                logger.exception(
                    "agent %r: its state could not be saved when it went to sleep", self.name
                )

    def wait_for_restart(self) -> None:
        """It will be started again: let messages wait for that."""
        self.status = Status.RESTARTING
        self._reopen()

    def close(self, status: Status, why: str) -> None:
        """It will not be started again: refuse what waits in the mailbox and what comes from now on."""
        self.status = status
        self._deliveries.refuse_all(why)
        self.node.closed(self.name, why)
        if self._incarnation is not None and self._task is not None and self._task.done():
            self._incarnation.release()

    def _reopen(self) -> None:
        if self.mailbox.closed:
            self.mailbox.reopen()
            self.node.closed(self.name, "")

    def discard(self) -> None:
        """Its spec is gone: forget its name."""
        self.node.forget(self.name)

    # For the node.

    def was_given(self, message_id: str, times: int) -> None:
        """How many incarnations in other processes were given a message that comes now."""
        self._deliveries.was_given(message_id, times)

    def withdraw(self, message: Message, *, reader_left: bool = False) -> None:
        """Whoever asked is gone: where the agent wants that, take `message` back or cancel the handler of it.

        A message whose time is up is always taken back, and a stream whose reader left always cancelled.
        """
        late = message.deadline is not None and message.deadline < time.time() + _CLOCKS_DIFFER
        wanted = reader_left or self._template._civitas_options.cancel_on_timeout
        if (late or wanted) and self.mailbox.withdraw(message):
            reason = DeadLetterReason.EXPIRED if late else DeadLetterReason.NO_READER
            self._deliveries.withdrawn(message, reason)
        elif wanted:
            if self._incarnation is not None and self._task is not None:
                self._incarnation.now.abandon(message, self._task)
            if isinstance(self.entry, TakesUnread):
                self.entry.withdraw_unread(message, reader_left)

    def refused(self, message: Message) -> None:
        """Whoever asked knows already that there is no answer: if `message` still waits, nobody handles it."""
        if self.mailbox.withdraw(message):
            self._deliveries.refused(message)
        elif isinstance(self.entry, TakesUnread):
            self.entry.withdraw_unread(message, None)

    @property
    def alive(self) -> bool:
        """Whether an incarnation runs."""
        return self._incarnation is not None and not self._incarnation.now.over

    @property
    def shuts_down(self) -> bool:
        """Whether its supervisor waits for its end."""
        return self._incarnation is not None and self._incarnation.shuts_down

    @property
    def busy(self) -> bool:
        """Whether it handles a message, or one waits that it will handle."""
        if self.status in (Status.STOPPED, Status.TERMINATED):
            return False
        incarnation = self._incarnation
        handling = incarnation is not None and incarnation.now.current is not None
        if self.paused:
            return handling
        return handling or len(self.mailbox) > 0 or self.mailbox.waiting > 0

    async def _kill(self, incarnation: Incarnation, task: asyncio.Task[ExitReason]) -> None:
        for _ in range(_CANCELLATIONS):
            incarnation.now.kill(task)
            _, running = await asyncio.wait({task}, timeout=_BETWEEN_CANCELLATIONS)
            if not running:
                return
        incarnation.leave_behind()
        self._task = None
        self.node.exited(self.name, KILLED)
        logger.error(
            "agent %r ignores cancellation; its task is left behind and its messages go to the next incarnation. "
            "Let CancelledError through in its code",
            self.name,
        )

    def _ended(self, task: asyncio.Task[ExitReason]) -> None:
        if task is not self._task:
            return
        reason = reason_of(task)
        self.node.exited(self.name, reason)
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(reason)

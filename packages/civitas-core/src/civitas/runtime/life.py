"""The life of a runtime: from its start to its end, however that comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial

from civitas.edge import Edge, PassesOn
from civitas.errors import CivitasError, ConfigurationError, NodeDown, StartFailed
from civitas.launch import short_pauses
from civitas.node import Node
from civitas.node.administration import refuse_to_wait
from civitas.node.quiescing import quiesce_within
from civitas.process import ExitReason, Messenger, Status
from civitas.runtime.callers import Callers
from civitas.runtime.equipment import Equipment
from civitas.runtime.retention import Sweeper
from civitas.supervision import ChildSpec, Supervisor, SupervisorProcess

__all__ = ["Life"]

logger = logging.getLogger("civitas")

_LOOK = 0.1
"""Seconds between two looks at whether anybody still waits."""
_LEADS_WITHIN = 5.0
"""Seconds in which a program that is there leads; one that does not may have been stopped, too."""


class Life:
    """Starts and stops the supervision tree of one system, and what must be there for it.

    Args:
        name: Of the system.
        supervisor: The root of the tree.
        node: The root's node.
        equipment: What is opened before the tree starts, and closed after it.
        outside: Talks to the agents for those who come by an edge.
    """

    def __init__(
        self,
        name: str,
        supervisor: Supervisor,
        node: Node,
        equipment: Equipment,
        outside: Messenger,
    ) -> None:
        self._name = name
        self._supervisor = supervisor
        self._node = node
        self._equipment = equipment
        self._outside = outside
        self.edges: Sequence[Edge] = ()
        """By which the outside reaches agents: opened when the tree has started, closed when it has stopped."""
        self.edge_url: str | None = None
        """See `Runtime.edge_url`."""
        self._sweeper = Sweeper(node)
        self.root: SupervisorProcess | None = None
        """The running root supervisor; None while the system does not run."""
        self.callers = Callers(lambda: self.edges, node.next_program)
        self._starting: Start | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._finished: asyncio.Future[None] | None = None
        self._pauses = ExitStack()
        self._dismissed = False

    async def prepare(self) -> None:
        """Start the other OS processes as far as they need nothing of this one; `start` goes on with them.

        Raises:
            StartFailed: The code of one cannot be imported, or its agents not be constructed.
        """
        if self._node.others is not None:
            await self._node.others.prepare()

    async def start(self, waiting: Callable[[str], None], drain_timeout: float) -> None:
        """Start the tree; see `Runtime.start`.

        Args:
            waiting: Told what is waited for.
            drain_timeout: Seconds for the steps under way to end, if it does not start and another program goes on.
        """
        if self.root is not None and not self._node.loop.is_closed():
            raise ConfigurationError(f"runtime {self._name!r} is already running; stop() it first")
        self._starting = starting = Start()
        try:
            await self._start(starting, waiting, drain_timeout)
        finally:
            self._starting = None
            starting.over.set()

    async def _start(
        self, starting: Start, waiting: Callable[[str], None], drain_timeout: float
    ) -> None:
        node = self._node
        node.attach()
        self._pauses.close()  # of a loop that ended before it was stopped
        self._pauses.enter_context(short_pauses())
        self._equipment.observe()
        node.tracing.refresh()
        self._finished = node.loop.create_future()
        self._stopping, self._dismissed = None, False
        node.clear()
        try:
            await node.elect(partial(self._waits, waiting), self._deposed)
            elected = node.lead is not None
            self.callers.expect_addresses(node.lead.last if node.lead is not None else None)
            self.callers.show()
            await self._equipment.open(set(_names(self._supervisor)), elected=elected)
            root = SupervisorProcess(self._supervisor, node)  # every name is known from now on
            await node.assemble()
            if node.runs is not None:
                node.runs.resume()
        except BaseException:
            await self._leave_to_the_next(drain_timeout)
            await self._close()
            self._unless_stopped(starting)
            raise
        self.root = root
        try:
            await root.start(self._root_ended)
            if starting.stopped:
                raise asyncio.CancelledError  # its cancellation got lost in a child
            await node.has_started()
            await node.scheduler.start()
            node.open_door()
            await self.callers.are_in()
            for edge in self.edges:
                await edge.open(self._outside)
            urls = (edge.url for edge in self.edges if isinstance(edge, PassesOn))
            self.edge_url = next(urls, None)
            self.callers.show()
            node.next_program.has_started()
            self._sweeper.start()
        except BaseException:
            self.root = None
            node.open = False
            await self._leave_to_the_next(drain_timeout)
            await root.stop("the runtime did not start")  # what a second cancellation left undone
            root.close(Status.TERMINATED, "the runtime did not start")
            await self._close()
            self._unless_stopped(starting)
            raise

    def _waits(self, waiting: Callable[[str], None], text: str) -> None:
        """Another program leads: have it answer whoever comes here."""
        waiting(text)
        self.callers.let_in(waiting)

    async def _leave_to_the_next(self, drain_timeout: float) -> None:
        """This program does not start: what the one before it has left is for whichever is elected next."""
        node = self._node
        if node.lead is not None and node.runs is not None:
            node.close_door(replaces=True)
            node.runs.ending.passes_on = True
            await quiesce_within(node, self._name, drain_timeout)

    def _unless_stopped(self, starting: Start) -> None:
        """Report that a start was abandoned; its cancellation goes no further."""
        if starting.stopped:
            starting.task.uncancel()
            why = CivitasError(f"runtime {self._name!r} was stopped while it started")
            raise StartFailed(self._supervisor.name, why) from None

    async def stop(self, drain_timeout: float) -> None:
        """Drain and stop; see `Runtime.stop`.

        Args:
            drain_timeout: Seconds for the mailboxes to empty.
        """
        if self.root is None and self._starting is None:
            return
        if asyncio.get_running_loop() is not self._node.loop:
            raise ConfigurationError(
                f"runtime {self._name!r} runs on another event loop; stop it there, as with "
                "asyncio.run_coroutine_threadsafe(runtime.stop(), loop)"
            )
        if self._starting is not None:
            await self._starting.stop()
            return
        refuse_to_wait("stop()", "no agent is running any more")
        if self.root is not None and self._stopping is None:
            if self._node.next_program.is_awaited:
                stopping = self._pass_on(self.root, drain_timeout, _nothing)
            else:
                stopping = self._stop(self.root, drain_timeout)
            self._stopping = asyncio.get_running_loop().create_task(stopping)
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    async def wait(self) -> None:
        """Wait until the system has ended; see `Runtime.wait`."""
        if self._finished is None:
            raise ConfigurationError("the runtime was never started; there is nothing to wait for")
        refuse_to_wait("wait()", "the runtime has ended")
        await asyncio.shield(self._finished)

    async def _stop(self, root: SupervisorProcess, drain_timeout: float) -> None:
        self._node.close_door()
        await self._node.scheduler.stop()
        for edge in self.edges:
            await edge.close_door()
        try:
            async with asyncio.timeout(drain_timeout):
                await self._node.drained()
        except TimeoutError:
            logger.warning(
                "runtime %r: mailboxes were not empty after drain_timeout=%g s; what is left was dropped, "
                "but for the messages of durable agents, which stay in the state store",
                self._name,
                drain_timeout,
            )
        await root.stop("the runtime was stopped")
        root.close(Status.TERMINATED, "the runtime was stopped")
        self.root = None
        await self._close()
        self._finish(root.gave_up)

    async def pass_on(
        self,
        drain_timeout: float,
        release: Callable[[], Awaitable[object]],
        *,
        replaces: bool = False,
    ) -> None:
        """Stop, and let another program go on with what is left: it answers those that wait for durable agents here.

        Args:
            drain_timeout: Seconds for the steps under way to end, and for the agents that are not durable.
            release: Called when the other program may start. Nothing runs here any more then.
            replaces: Whether that one was elected, and starts the processes again that this one started.
        """
        if self.root is None or self._stopping is not None:
            await self.stop(drain_timeout)
            return
        passing = self._pass_on(self.root, drain_timeout, release, replaces=replaces)
        self._stopping = asyncio.get_running_loop().create_task(passing)
        await asyncio.shield(self._stopping)

    async def _pass_on(
        self,
        root: SupervisorProcess,
        drain_timeout: float,
        release: Callable[[], Awaitable[object]],
        *,
        replaces: bool = False,
    ) -> None:
        node, runs = self._node, self._node.runs
        assert runs is not None  # it is the root
        elected = node.lead is not None
        passing = [each for each in self.edges if isinstance(each, PassesOn) and not elected]
        for edge in passing:  # before anybody is refused
            edge.let_go()
        if elected:
            self.callers.hand_on()
        node.close_door(replaces=replaces)
        runs.ending.passes_on = True
        await node.scheduler.stop()
        for each in self.edges:
            await each.close_door()
        await quiesce_within(node, self._name, drain_timeout)
        await root.stop("another version of the program takes over")
        root.close(Status.TERMINATED, "another version of the program takes over")
        self.root = None
        waiting: list[asyncio.Task[None]] = []
        try:
            await self._dismiss()
            waiting.append(await runs.pass_on())
            waiting.append(node.loop.create_task(node.next_program.linger()))
            self._equipment.release()
            await release()
            with suppress(TimeoutError):  # a program that is elected may be long in coming
                async with asyncio.timeout(drain_timeout if elected else None):
                    await self._answered(waiting)
                    if elected:
                        await self.callers.handed_on()
            for edge in passing:
                await edge.handed_on()
        finally:
            for task in waiting:
                task.cancel()  # the other program has gone before it took over, or is long in coming
            if waiting:
                await asyncio.wait(waiting)
            self.leave_askers()
            await self._close()
            self._finish(root.gave_up)

    def leave_askers(self) -> None:
        """Do not wait any longer for what the other program answers: whoever still waits here is told so."""
        self._node.asks.refuse_outside(_answered_elsewhere)
        for edge in self.edges:
            if isinstance(edge, PassesOn):
                edge.leave()

    async def _answered(self, answering: Collection[asyncio.Task[None]]) -> None:
        """Wait until those that wait for durable agents have their answers, or have left."""
        until = self._node.loop.time() + _LEADS_WITHIN
        while left := [each for each in answering if not each.done()]:
            comes = not self._node.next_program.is_there and self._node.loop.time() < until
            if not len(self._node.asks) and not comes:
                break
            await asyncio.wait(left, timeout=_LOOK)
        for each in answering:
            each.cancel()
        await asyncio.wait(answering)

    async def _close(self) -> None:
        self.edge_url = None
        await self.callers.close()
        await self._sweeper.stop()
        await self._node.scheduler.stop()
        try:
            for edge in self.edges:
                await edge.close()
            await self._node.next_program.rested()
            await self._dismiss()
            await self._node.detach()
            await self._equipment.close()
        finally:
            self._pauses.close()
            self._equipment.release()

    async def _dismiss(self) -> None:
        if not self._dismissed:
            self._dismissed = True
            await self._node.dismiss()

    def _deposed(self, why: str) -> None:
        """Another root leads: end here, and leave the other OS processes to that one."""
        logger.error("runtime %r does not lead any more: %s", self._name, why)
        if self.root is not None and self._stopping is None:
            self._stopping = self._node.loop.create_task(self._fall(self.root, why))

    async def _fall(self, root: SupervisorProcess, why: str) -> None:
        self._node.close_door()
        await self._node.scheduler.stop()
        await self._node.registry.interrupt()
        for edge in self.edges:
            await edge.close_door()
        await root.stop(why)
        root.close(Status.TERMINATED, why)
        self.root = None
        await self._close()
        self._finish(
            CivitasError(f"runtime {self._name!r} does not lead its system any more: {why}")
        )

    def _root_ended(self, reason: ExitReason) -> None:
        """The root ended by itself; nobody is left to hear of it but whoever waits for the runtime."""
        if self.root is not None:
            self._finish(
                self.root.gave_up or CivitasError(f"supervisor {self.root.name!r} ended: {reason}")
            )

    def _finish(self, error: CivitasError | None) -> None:
        finished = self._finished
        if finished is None or finished.done():
            return
        if error is None:
            finished.set_result(None)
        else:
            finished.set_exception(error)
            finished.exception()  # whoever does not wait() reads it in the log


class Start:
    """A start that is under way, and how to abandon it."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # `Life.start` is a coroutine
        self.task = task
        self.stopped = False
        self.over = asyncio.Event()

    async def stop(self) -> None:
        """Abandon it, and wait until nothing of it is left."""
        if not self.stopped:
            self.stopped = True
            self.task.cancel()
        await self.over.wait()


def _answered_elsewhere(name: str) -> NodeDown:
    why = "it was stopped while another version of the program went on with the run"
    return NodeDown(name, "root", why, advice="Ask again, under the same run=NAME if it has one")


def _names(child: ChildSpec) -> Iterator[str]:
    """The names in a tree that is not started yet."""
    yield child.name
    for each in getattr(child, "children", ()):
        yield from _names(each)


async def _nothing() -> None: ...

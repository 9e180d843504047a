"""One OS process of the system: hosts agents and moves their messages."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from civitas.errors import AgentTerminated, MailboxFull, UnknownAgent
from civitas.events import EventType
from civitas.message import Message, encode, new_message
from civitas.node.asks import PendingAsks
from civitas.node.monitors import Monitor, Monitors
from civitas.node.router import Router
from civitas.process import AgentProcess, Cell, ExitReason, Incarnation, Timer, current_message
from civitas.process.options import positive
from civitas.state import StateStore
from civitas.supervision import Clock, LoopClock
from civitas.telemetry.tracing import Tracing

__all__ = ["Node"]

# Threads for plain `def` handlers and for the blocking code of frameworks; they are started when needed.
_THREADS = 32


class Node(Router):
    """One OS process of the system, as its processes and its supervisors see it.

    Args:
        name: ``root`` for the one that runs the supervision tree.
        store: Where state is kept.
        tracing: Makes the spans.
        llm: The ModelProvider, or None.
        tools: The ToolRegistry, or None.
        clock: The clock of supervisors and timers.
    """

    def __init__(
        self,
        name: str,
        *,
        store: StateStore,
        tracing: Tracing,
        llm: Any = None,
        tools: Any = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, tracing)
        self.store = store
        self.llm = llm
        self.tools = tools
        self.clock: Clock = clock or LoopClock()
        self._monitors = Monitors()
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self) -> None:
        """Take the running event loop as the one everything happens on."""
        self.loop = asyncio.get_running_loop()
        self.executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"civitas-{self.name}")
        self._asks = PendingAsks(self.loop)

    async def detach(self) -> None:
        """Give back what `attach` took. Threads in the middle of a blocking call are left to finish it."""
        self._asks.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.events.settle()
        self.executor.shutdown(wait=False, cancel_futures=True)

    async def drained(self) -> None:
        """Wait until no agent handles a message and no mailbox holds one."""
        while busy := [cell for cell in self.registry.values() if cell.busy]:
            for cell in busy:
                await cell.mailbox.drained()

    # For supervisors.

    def place(self, agent: AgentProcess) -> Cell:
        """Make room for an agent: from now on its name is known and messages for it wait."""
        cell = Cell(agent, self)
        self.registry.add(cell)
        return cell

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""
        self.registry.pop(name, None)

    def event(
        self, type: EventType, name: str, reason: str, message: str, cause: ExitReason | None = None
    ) -> None:
        """Report something that happened, `cause` being the crash behind it."""
        self.events.emit(type, name, str(reason), message)
        self._observe.event(type, name, str(reason), cause)

    # For processes.

    def send_after(
        self,
        sender: Incarnation,
        delay: float,
        to: str,
        payload: Any,
        message_type: str,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> Timer:
        """Hand a message to the agent `to` in `delay` seconds."""
        positive(delay, "delay", zero=True)
        raw = encode(payload)
        handled = current_message.get(None)
        if conversation is None and handled is not None:
            conversation = handled.conversation
        timer = Timer(sender.timers)

        def due() -> None:
            timer.fired()
            message = new_message(
                message_type, sender.name, to, raw, conversation=conversation, headers=headers
            )
            self._background(self._deliver_late(message))

        timer.arm(self.clock.call_later(delay, due))
        return timer

    def monitor(self, watcher: Incarnation, target: str) -> str:
        """Tell `watcher` when the running incarnation of `target` exits."""
        monitor = self._monitors.add(watcher.name, target)
        cell = self.registry.get(target)
        if cell is None or not cell.alive:
            self._monitors.remove(monitor.ref)
            self._tell(monitor, "noproc", None)
        return monitor.ref

    def demonitor(self, ref: str) -> None:
        """End a monitor."""
        self._monitors.remove(ref)

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""
        for monitor in self._monitors.exited(name):
            self._tell(monitor, str(reason.kind), str(reason.failure) if reason.failure else None)

    def _tell(self, monitor: Monitor, reason: str, error: str | None) -> None:
        cell = self.registry.get(monitor.watcher)
        if cell is not None:
            down = {"ref": monitor.ref, "name": monitor.target, "reason": reason, "error": error}
            cell.mailbox.push(new_message("civitas.down", None, monitor.watcher, encode(down)))

    async def _deliver_late(self, message: Message) -> None:
        cell = self.registry.get(message.recipient)
        try:
            if cell is None:
                raise self.registry.unknown(message.recipient)
            with self._span(message) if self.tracing.active else nullcontext(message) as sent:
                await cell.mailbox.put(sent, 30.0)
        except UnknownAgent:
            self.dead_letter(message, "unknown")
        except AgentTerminated:
            self.dead_letter(message, "terminated")
        except MailboxFull:
            self.dead_letter(message, "expired")

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

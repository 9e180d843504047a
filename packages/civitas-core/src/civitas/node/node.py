"""One OS process of the system: hosts agents and moves their messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from civitas.errors import (
    AgentTerminated,
    AskCycle,
    AskTimeout,
    ConfigurationError,
    DeliveryError,
    MailboxFull,
)
from civitas.events import EventType
from civitas.message import Message, encode, new_message
from civitas.node.asks import PendingAsks
from civitas.node.events import Events
from civitas.node.observe import Observer
from civitas.node.registry import Registry
from civitas.process import AgentProcess, Cell, ExitReason, Incarnation, current_message
from civitas.process.options import check_timeout
from civitas.state import StateStore
from civitas.supervision import Clock, LoopClock
from civitas.telemetry.tracing import Tracing

__all__ = ["Node"]

# Threads for plain `def` handlers and for the blocking code of frameworks; they are started when needed.
_THREADS = 32


class Node:
    """One OS process of the system, as its processes and its supervisors see it.

    Args:
        name: ``root`` for the one that runs the supervision tree.
        store: Where state is kept.
        tracing: Makes the spans.
        llm: The ModelProvider, or None.
        tools: The ToolRegistry, or None.
        clock: The clock of the supervisors.
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
        self.name = name
        self.store = store
        self.tracing = tracing
        self.llm = llm
        self.tools = tools
        self.clock: Clock = clock or LoopClock()
        self.registry = Registry()
        self.events = Events(name)
        self._observe = Observer(tracing)
        self.open = False
        """Whether work from outside is taken."""

    def attach(self) -> None:
        """Take the running event loop as the one everything happens on."""
        self.loop = asyncio.get_running_loop()
        self.executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"civitas-{self.name}")
        self._asks = PendingAsks(self.loop)

    async def detach(self) -> None:
        """Give back what `attach` took. Threads in the middle of a blocking call are left to finish it."""
        self._asks.close()
        await self.events.settle()
        self.executor.shutdown(wait=False, cancel_futures=True)

    async def drained(self) -> None:
        """Wait until no agent handles a message and no mailbox holds one."""
        while busy := [cell for cell in self.registry.values() if cell.busy]:
            for cell in busy:
                await cell.drained()
            await asyncio.sleep(
                0
            )  # an agent that is down between two incarnations has nothing to wait for

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

    async def send(
        self,
        sender: Incarnation | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        """Hand a message to the agent `to`."""
        cell = self._find(sender, to)
        check_timeout(timeout)
        raw = encode(payload)
        if conversation is None and sender is not None:
            handled = current_message.get(None)
            if handled is not None:
                conversation = handled.conversation
        name = sender.name if sender is not None else None
        message = new_message(
            message_type, name, to, raw, conversation=conversation, headers=headers
        )
        if self.tracing.active:
            with self._span(message) as message:
                await cell.mailbox.put(message, timeout)
        elif not cell.mailbox.offer(message):
            await cell.mailbox.put(message, timeout)

    async def broadcast(
        self,
        sender: Incarnation | None,
        pattern: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> int:
        """Hand a message to every agent whose name matches."""
        name = sender.name if sender is not None else None
        to = [cell.name for cell in self.registry.matching(pattern) if cell.name != name]
        results = await asyncio.gather(
            *(
                self.send(sender, each, payload, message_type, timeout, conversation, headers)
                for each in to
            ),
            return_exceptions=True,
        )
        for result in results:
            if result is not None and not isinstance(result, (MailboxFull, AgentTerminated)):
                raise result
        return results.count(None)

    async def ask(
        self,
        sender: Incarnation | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> Message:
        """Hand a message to the agent `to` and wait for its answer."""
        cell = self._find(sender, to)
        check_timeout(timeout)
        raw = encode(payload)
        now = time.time()
        deadline = now + timeout if timeout is not None else None
        asking = None
        name = None
        if sender is not None:
            name = sender.name
            handled = current_message.get(None)
            if handled is not None:
                if conversation is None:
                    conversation = handled.conversation
                # Who asked the asker waits no longer than this, so neither does the asker.
                if handled.deadline is not None and (
                    deadline is None or handled.deadline < deadline
                ):
                    deadline = handled.deadline
                    timeout = max(deadline - now, 0.0)
                if handled is sender.current:
                    if cycle := self.registry.cycle(name, to):
                        raise AskCycle(cycle)
                    asking = sender.asking
                    asking.append(to)
        message = new_message(
            message_type,
            name,
            to,
            raw,
            reply_to=self.name,
            conversation=conversation,
            headers=headers,
            timestamp=now,
            deadline=deadline,
        )
        try:
            if self.tracing.active:
                with self._span(message) as message:
                    return await self._ask(cell, message, timeout)
            return await self._ask(cell, message, timeout)
        finally:
            if asking is not None:
                asking.remove(to)

    async def _ask(self, cell: Cell, message: Message, seconds: float | None) -> Message:
        future = self._asks.add(message.id)
        try:
            if not cell.mailbox.offer(message):
                await cell.mailbox.put(message, seconds)
            answer = await self._asks.wait(future, seconds)
        except asyncio.CancelledError:
            cell.withdraw(message)
            raise
        finally:
            self._asks.remove(message.id)
        if isinstance(answer, Message):
            return answer
        if answer is not None:
            raise answer
        cell.withdraw(message)
        raise AskTimeout(
            message.recipient,
            message.type,
            seconds or 0.0,
            f"it is {cell.status}, {len(cell.mailbox)} messages wait in its mailbox",
        )

    def answer(self, request: Message, reply: Message) -> None:
        """Hand `reply` to whoever waits for an answer to `request`."""
        if request.reply_to is not None and not self._asks.answer(request.id, reply):
            self.dead_letter(reply, "late_reply")

    def refuse(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to `request` that there is none, and why."""
        if request.reply_to is not None:
            self._asks.answer(request.id, error)

    def dead_letter(self, message: Message, reason: str) -> None:
        """Count and report a message that nobody will handle."""
        text = (
            f"{message.type!r} from {message.sender or 'the runtime'} to "
            f"{message.recipient} was dropped: {reason}"
        )
        self.events.emit("dead_letter", message.recipient, reason, text)
        self._observe.dead_letter(message, reason)

    @contextmanager
    def _span(self, message: Message) -> Iterator[Message]:
        """The span of a message on its way, and the message with that span in its headers."""
        tracing = self.tracing
        span = tracing.start_send(message.recipient, message.type, message.id, message.conversation)
        try:
            yield message.with_headers({**message.headers, **tracing.inject(span)})
        except Exception as error:
            tracing.fail(span, error)
            raise
        finally:
            span.end()

    def _find(self, sender: Incarnation | None, to: str) -> Cell:
        if sender is None and not self.open:
            raise ConfigurationError(
                "the runtime takes no work: it is not started, or it is stopping. "
                "Use it inside `async with Runtime(...)`"
            )
        cell = self.registry.get(to)
        if cell is None:
            raise self.registry.unknown(to)
        return cell

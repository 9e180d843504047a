"""Moves the messages of one node: from a sender to a mailbox, and answers back to the askers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from threading import get_ident
from typing import Any

from civitas.errors import AgentTerminated, AskCycle, AskTimeout, ConfigurationError, DeliveryError
from civitas.events import DeadLetterReason
from civitas.message import Message, check_headers, check_word, encode, new_message
from civitas.node.accepted import Accepted
from civitas.node.asks import Asking, PendingAsks, unless_answered
from civitas.node.dead.kept import KeptLetters
from civitas.node.dead.letters import subject_of
from civitas.node.events import Events
from civitas.node.handover import Handover
from civitas.node.last_words import LastWords
from civitas.node.next_program import Alone, NextProgram
from civitas.node.observe import Observer
from civitas.node.origin import Origin
from civitas.node.other_processes import OtherProcesses
from civitas.node.outside import Outside
from civitas.node.registry import Recipient, Registry
from civitas.node.requests import Requests, check_keeps_runs, keeps_runs
from civitas.node.streams import Chunks
from civitas.node.withdrawals import Withdrawals
from civitas.process import Caller, Cell, Delivery, Turns, current_message
from civitas.process.options import check_pattern, check_timeout
from civitas.process.run_budget import handed_on
from civitas.telemetry.tracing import Tracing

__all__ = ["Router"]


class Router:
    """Moves the messages of one node.

    Args:
        name: Of the node.
        tracing: Makes the spans.
    """

    # Of the event loop it runs on; `Node.attach` sets them.
    loop: asyncio.AbstractEventLoop
    turns: Turns
    hand_answer: Callable[[str, Message | DeliveryError], bool]
    """Hands the answer to a message to whoever waits for it here, by its id; False for nobody."""
    awaits: Callable[[str], bool]
    """Whether somebody here waits for the answer to a message, by its id."""
    asks: PendingAsks  # those that wait here for an answer
    last_words: LastWords
    _handover: Handover
    _withdrawals: Withdrawals
    thread: int  # the one that runs it

    def __init__(self, name: str, tracing: Tracing) -> None:
        self.name = name
        self.tracing = tracing
        self.registry = Registry()
        self.from_outside = Accepted(self.registry)
        self.events = Events(name)
        self.open = False  # whether work from outside is taken
        self.stops = False
        """Whether its agents are about to be stopped for good: what that interrupts does not count as a delivery."""
        self._outside = Outside(self)
        self.others: OtherProcesses | None = (
            None  # the other OS processes of the system, at its root
        )
        self._observe = Observer(tracing)
        self.streams: dict[str, Chunks] = {}
        self._requests = Requests(name, self.registry, tracing)
        self.refuse_while_down = self._requests.refuse_while_down
        self.by_way_of_runtime = self._requests.by_way_of_runtime
        """The agents whose handlers wait for asks that the runtime sent for them, by the id of each."""
        self.asked: Callable[[Message, str, str], None] | None = None
        """Called when an agent here is about to wait for another, or for room at one elsewhere, with both names."""
        self.stays: Callable[[Message, DeadLetterReason], bool] = lambda message, reason: False
        """Whether a message that nobody here will handle stays where it is kept."""
        self.next_program: NextProgram = Alone()
        self.is_passed_on: Callable[[Message, DeliveryError], bool] = lambda message, error: False
        """Whether another program answers a message, so that whoever asked does not hear that its agent has ended."""
        self.outlives: Callable[[Cell], bool] = lambda cell: cell.delivery is Delivery.DURABLE
        """Whether the messages of an agent outlive this program."""
        self.dead = KeptLetters()  # what nobody will handle, until somebody has looked at it
        self.recording: Callable[[Message], None] = lambda message: None
        """Called when steps of a message are about to be recorded; they go with it, however its agent ends."""
        self.foreign: dict[str, Origin] = {}
        """Where the messages of other nodes that agents of this one have came from, by their ids."""

    def open_door(self) -> None:
        """Take work from outside: the tree has started."""
        self.open = True
        self._outside.begin()

    def close_door(self, *, replaces: bool = False) -> None:
        """Take no more work from outside: the system stops, or a new version goes on, and starts all again."""
        self.open = False
        self.stops = True

    def system_ends(self, why: str) -> None:
        """The tree ends by itself: nobody outside gets an answer any more."""
        self._outside.end(why)

    # Neither is a coroutine itself: one more around what waits was measured to cost 3 % of an ask, and 5 % of a send.

    def send(
        self,
        sender: Caller | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
        run: str | None = None,
    ) -> Awaitable[None] | None:
        """Hand a message to the agent `to`; what to wait for, or None if it was taken at once."""
        if sender is None:
            if not self.open or get_ident() != self.thread or not self.loop.is_running():
                self._outside.check(to)
        else:
            self.check_loop(sender.name)
        # Nearly all have one of these, and a name of an agent: to see that costs next to nothing.
        if type(timeout) is not float or not 0.0 < timeout < 1e9:
            check_timeout(timeout)
        if headers is not None:
            headers = check_headers(headers)
        raw = encode(payload)
        name = sender.name if sender is not None else None
        handled = current_message.get(None)
        if handled is not None:
            if conversation is None and name is not None:
                conversation = handled.conversation
            if handled.headers:
                headers = handed_on(handled.headers, headers, traced=self.tracing.active)
        message = new_message(message_type, name, to, raw, None, None, None, conversation, headers)
        if run is not None:
            message = message.replaced(run_name=check_word(run, "run"))
        cell = self.registry.get(to) if type(to) is str else None
        if cell is None:
            cell = self.registry.route(to, message.conversation, message.id)
        if run is not None:
            check_keeps_runs(cell, run)
        if self.tracing.active:
            return self._put_in_span(cell, message, timeout)
        return None if cell.entry.offer(message) else cell.entry.put(message, timeout)

    def ask(
        self,
        sender: Caller | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
        run: str | None = None,
        noted: Callable[[str], object] | None = None,
    ) -> Coroutine[Any, Any, Message]:
        """Hand a message to the agent `to` and wait for its answer; `noted` is called with its id."""
        if sender is None:
            if not self.open or get_ident() != self.thread or not self.loop.is_running():
                self._outside.check(to)
        else:
            self.check_loop(sender.name)
        cell, message, seconds, asking = self._requests.begin(
            sender, to, payload, message_type, timeout, conversation, headers, False, run
        )
        if noted is not None:
            noted(message.id)
        if self.tracing.active:
            return self._ask_in_span(cell, message, seconds, asking)
        return self._ask(cell, message, seconds, asking)

    def _in_span(self, message: Message) -> AbstractContextManager[Message]:
        return self.tracing.sending(message) if self.tracing.active else nullcontext(message)

    async def _put_in_span(self, cell: Recipient, message: Message, timeout: float | None) -> None:
        with self.tracing.sending(message) as sent:
            await cell.entry.put(sent, timeout)

    async def broadcast(
        self,
        sender: Caller | None,
        pattern: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> int:
        """Hand a message to every agent whose name matches; one that went meanwhile is passed over."""
        if sender is None:
            if not self.open or get_ident() != self.thread or not self.loop.is_running():
                self._outside.check()
        else:
            self.check_loop(sender.name)
        check_pattern(pattern)
        itself = (sender.name, sender.family) if sender is not None else ()
        to = [each for each in await self.matching(pattern) if each not in itself]

        async def tell(name: str) -> None:
            await self.turns.give_way()
            if sender is None and not self.open:
                raise AgentTerminated(name, "the runtime stops")  # others have the message already
            taking = self.send(sender, name, payload, message_type, timeout, conversation, headers)
            if taking is not None:
                await taking

        results = await asyncio.gather(*map(tell, to), return_exceptions=True)
        for result in results:
            if result is not None and not isinstance(result, DeliveryError):
                raise result
        return results.count(None)

    async def matching(self, pattern: str) -> list[str]:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        return [cell.name for cell in self.registry.matching(pattern)]

    async def stream(
        self,
        sender: Caller | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
        run: str | None = None,
    ) -> AsyncGenerator[Message, None]:
        """Hand a message to the agent `to` and yield what it emits, then its answer."""
        if sender is None:
            if not self.open or get_ident() != self.thread or not self.loop.is_running():
                self._outside.check(to)
        else:
            self.check_loop(sender.name)
        cell, message, seconds, asking = self._requests.begin(
            sender, to, payload, message_type, timeout, conversation, headers, True, run
        )
        chunks = self.streams[message.id] = Chunks()
        with self._in_span(message) as message:
            answer = self.loop.create_task(self._ask(cell, message, seconds, asking))
            answer.add_done_callback(lambda _: chunks.end())
            try:
                while (chunk := chunks.get_now() or await chunks.get()) is not None:
                    yield chunk
                yield await answer
            finally:
                chunks.left(self.streams, message.id)
                if asking is not None:
                    self._requests.end(message.id, asking)
                if not answer.done():
                    answer.cancel()
                    self._withdrawals.take_back(cell, message, reader_left=True)
                    await asyncio.wait({answer})
                if not answer.cancelled():
                    answer.exception()  # a reader that left does not want to know

    def emit(self, request: Message, chunk: Message) -> Awaitable[object] | None:
        """Hand a chunk to whoever reads the stream that `request` began, wherever that is; returns what to wait for."""
        here, id = request.reply_to == self.name, request.id
        reader = self.streams.get(id) if here else self.foreign.get(id)
        taken = reader.chunk(chunk) if reader is not None else False
        if taken is False:
            self.dead_letter(chunk, DeadLetterReason.NO_READER)
        return None if isinstance(taken, bool) else self._unless_left(chunk, taken)

    async def _unless_left(self, chunk: Message, taking: Awaitable[bool]) -> None:
        if not await taking:
            self.dead_letter(chunk, DeadLetterReason.NO_READER)

    def answer(self, request: Message, reply: Message) -> None:
        """Hand `reply` to whoever waits for an answer to `request`, wherever that is."""
        if request.reply_to is None:
            return
        if request.reply_to == self.name:
            taken = self.asks.answer(request.id, reply)
        else:
            origin = self.foreign.get(request.id)
            taken = origin is not None and origin.answered(reply)
        if not taken:
            self.dead_letter(reply, DeadLetterReason.LATE_REPLY)

    def refuse(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to `request` that there is none, and why."""
        if request.reply_to is None or self.is_passed_on(request, error):
            return
        if request.reply_to == self.name:
            self.asks.answer(request.id, error)
        elif (origin := self.foreign.get(request.id)) is not None:
            origin.refused(error)

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> bool:
        """Count and report a message that nobody will handle; False if it is kept for the next one who may."""
        if self.stays(message, reason):
            return False
        self.dead.keep(message, reason)
        if self.events.callbacks["dead_letter"]:
            text = (
                f"{message.type!r} from {message.sender or 'the runtime'} to "
                f"{message.recipient} was dropped: {reason}"
            )
            self.events.emit("dead_letter", subject_of(message), str(reason), text)
        if self.tracing.active or self.tracing.metrics.active:
            self._observe.dead_letter(message, reason)
        if self.foreign:
            self.settle(message)
        return True

    def take_in_hand(self, agent: str, message: Message) -> Awaitable[None] | None:
        """An agent begins to handle a message; it must wait for what this returns."""
        origin = self.foreign.get(message.id)
        return origin.began(agent) if origin is not None else None

    def reader_of(self, message_id: str) -> Chunks | None:
        """Who reads the stream that a message began; None for nobody."""
        return self.streams.get(message_id)

    def settle(self, message: Message) -> Origin | None:
        """An agent here has finished with a message: whoever sent it may forget it.

        Returns:
            Where it came from, if that was another node.
        """
        origin = self.foreign.pop(message.id, None)
        if origin is not None:
            origin.settled()
        return origin

    async def _ask_in_span(
        self, cell: Recipient, message: Message, seconds: float | None, asking: Asking | None
    ) -> Message:
        with self.tracing.sending(message) as sent:
            return await self._ask(cell, sent, seconds, asking)

    async def _ask(
        self, cell: Recipient, message: Message, seconds: float | None, asking: Asking | None
    ) -> Message:
        if asking is not None and self.asked is not None and isinstance(cell, Cell):
            self.asked(message, self._requests.asker_of(message) or "", cell.name)
        future = self.asks.add(message.id, seconds, asking, message.recipient)
        try:
            if not cell.entry.offer(message, self._handover.wake):
                if asking is not None and self.asked is not None and not isinstance(cell, Cell):
                    self.asked(message, self._requests.asker_of(message) or "", cell.name)
                await unless_answered(future, cell.entry.put(message, seconds))
            answer = await future
        except BaseException as error:
            self.asks.remove(message.id)
            if isinstance(error, asyncio.CancelledError):
                self._withdrawals.take_back(cell, message)
            raise
        finally:
            if asking is not None:
                self._requests.end(message.id, asking)
        if isinstance(answer, Message):
            return answer
        if answer is not None:
            if isinstance(answer, AskCycle):
                if isinstance(cell, Cell):
                    cell.refused(message)
                else:
                    cell.withdraw(message, reader_left=True)
            elif self.last_words.ended(message.id):
                # The asker may ask again in its next incarnation; a run that is kept goes on, and is found then.
                lasts = cell.delivery == Delivery.DURABLE
                self._withdrawals.now(cell, message, reader_left=not lasts)
            try:
                raise answer
            finally:
                del (
                    answer,
                    future,
                )  # the error keeps this frame, and would be kept by it until a collection
        self._withdrawals.now(cell, message)
        raise AskTimeout(
            message.recipient,
            message.type,
            seconds or 0.0,
            f"it is {cell.status}, {len(cell.entry)} messages wait in its mailbox",
            run=message.run if keeps_runs(cell) else None,
        )

    def check_loop(self, agent: str) -> None:
        """Refuse what the code of an agent does on an event loop of its own.

        Raises:
            ConfigurationError: This is not the thread of this node's loop.
        """
        if get_ident() != self.thread:
            raise ConfigurationError(
                f"{agent!r} was used on another event loop than its own; in a plain `def` handler write "
                "self.run(self.ask(...)) instead of asyncio.run(self.ask(...))"
            )

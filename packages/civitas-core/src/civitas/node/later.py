"""`Later`: messages that are sent when their time has come."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from civitas.errors import DeliveryError
from civitas.events import DeadLetterReason
from civitas.message import Message, check_headers, check_word, encode, new_message
from civitas.node.dead.letters import reason_of
from civitas.process import Caller, Delivery, Timer, current_message
from civitas.process.options import check_is_name, positive
from civitas.process.own_timers import TimerKeeper
from civitas.process.run_budget import handed_on

if TYPE_CHECKING:
    from civitas.node.registry import Registry
    from civitas.supervision import Clock
    from civitas.telemetry.tracing import Tracing

__all__ = ["Later"]


class SendingNode(Protocol):
    """The node, as it is seen here."""

    clock: Clock
    registry: Registry
    tracing: Tracing
    timers: TimerKeeper

    async def look_up(self, name: str) -> None:
        """Find out where an agent is, if that is known elsewhere."""

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """Count and report a message that nobody will handle."""


class Later:
    """Sends messages when their time has come: nobody waits for what becomes of them.

    Args:
        node: The node.
        in_span: Opens the span of a message that is sent.
        begin: Does something beside everything else.
    """

    def __init__(
        self,
        node: SendingNode,
        in_span: Callable[[Message], AbstractContextManager[Message]],
        begin: Callable[[Coroutine[Any, Any, object]], object],
    ) -> None:
        self._node = node
        self._in_span = in_span
        self._begin = begin

    def send_after(
        self,
        sender: Caller,
        delay: float,
        to: str,
        payload: Any,
        message_type: str,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> Timer:
        """Hand a message to the agent `to` in `delay` seconds."""
        positive(delay, "delay", zero=True)
        check_is_name(to, "the recipient")
        check_word(message_type, "message_type")
        if headers is not None:
            headers = check_headers(headers)
        raw = encode(payload)
        handled = current_message.get(None)
        if conversation is not None:
            check_word(conversation, "conversation")
        elif handled is not None:
            conversation = handled.conversation
        if handled is not None and handled.headers:
            headers = handed_on(handled.headers, headers, traced=self._node.tracing.active)
        tracing = self._node.tracing
        if tracing.active and "traceparent" not in (headers or {}):
            headers = {**(headers or {}), **tracing.inject()}  # what is current now is not, then
        if self._is_durable(sender):
            message = new_message(
                message_type, sender.name, to, raw, conversation=conversation, headers=headers
            )
            id = sender.timers.next_id(handled, sender.now.current)
            return sender.timers.kept(self._node.timers.keep(id, message, delay))
        timer = Timer()

        def due() -> None:
            timer._fired()
            message = new_message(
                message_type, sender.name, to, raw, conversation=conversation, headers=headers
            )
            self._begin(self._deliver_late(message))

        timer._arm(self._node.clock.call_later(delay, due), sender.timers.passing)
        return timer

    def _is_durable(self, sender: Caller) -> bool:
        agent = self._node.registry.get(sender.name)
        return agent is not None and agent.delivery == Delivery.DURABLE

    async def deliver(self, message: Message, timeout: float | None) -> None:
        """Hand a message to its recipient; raises as `send`."""
        cell = self._node.registry.route(message.recipient, message.conversation, message.id)
        with self._in_span(message) as sent:
            await cell.entry.put(sent, timeout)

    async def _deliver_late(self, message: Message) -> None:
        await self._node.look_up(message.recipient)
        try:
            await self.deliver(message, 30.0)
        except DeliveryError as error:
            self._node.dead_letter(message, reason_of(error))

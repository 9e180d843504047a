"""How the deliveries of an agent's messages end."""

from __future__ import annotations

import time
from collections import deque
from functools import partial

from civitas.errors import (
    AgentTerminated,
    BudgetExceeded,
    ConfigurationError,
    DeliveryError,
    NoReply,
    RunChanged,
)
from civitas.events import DeadLetterReason
from civitas.message import Message, new_message
from civitas.process.context import Context
from civitas.process.exit_reason import PlainError
from civitas.process.mailbox import Mailbox
from civitas.process.options import AgentOptions, Delivery

__all__ = ["Deliveries"]

_ERRORS = 20
"""So many errors are kept of each agent."""


class Deliveries:
    """How the deliveries of one agent's messages end: answered, refused, given to the next incarnation, or dropped.

    It belongs to the agent's name, as the mailbox does.

    Args:
        name: Of the agent.
        mailbox: Its mailbox.
        node: The node it runs on.
    """

    __slots__ = ("_mailbox", "_name", "_node", "errors", "failures", "given", "last_error")

    def __init__(self, name: str, mailbox: Mailbox, node: Context) -> None:
        self._name = name
        self._mailbox = mailbox
        self._node = node
        self.given: dict[str, int] | None = None
        """How many incarnations were given a message that stands in the mailbox, by its id; None while none was."""
        self.failures = 0
        """How many the agent gave up, or crashed on."""
        self.last_error = ""
        """Class name of the last error."""
        self.errors: deque[tuple[float, str, PlainError]] | None = None
        """The last of them: when, the id of the message, and what; None while there was none."""

    def was_given(self, message_id: str, times: int) -> None:
        """So many incarnations were given a message without finishing it."""
        if self.given is None:
            self.given = {}
        self.given[message_id] = times

    def comes_again(self, message: Message) -> bool:
        """Whether it was left to the next incarnation."""
        return self.given is not None and message.id in self.given

    def over(self, message: Message) -> None:
        """Nobody will be given it any more."""
        if self.given is not None:
            self.given.pop(message.id, None)
            self.given = self.given or None

    def finished(self, message: Message, result: object) -> None:
        """Hand on what the handler returned."""
        if isinstance(result, Message):
            if result.correlation_id != message.id:
                result = self._in_own_name(message, result)
            self._node.answer(message, result)
        elif result is not None:
            raise ConfigurationError(
                f"handle of {self._name!r} returned {type(result).__name__}; return self.reply(...) or None"
            )
        elif message.reply_to is not None:
            self._node.refuse(message, NoReply(self._name, message.type))
        if self.given is not None:
            self.over(message)

    def _in_own_name(self, message: Message, given: Message) -> Message:
        """The reply for a handler that returned another message, such as the answer to an ask of its own."""
        return new_message(
            given.type,
            self._name,
            message.reply_to or "",
            given.raw,
            correlation_id=message.id,
            conversation=given.conversation or message.conversation,
        )

    def expired(self, message: Message) -> None:
        """Its deadline passed while it waited."""
        self.over(message)
        self._node.dead_letter(message, DeadLetterReason.EXPIRED)

    def withdrawn(self, message: Message, reason: DeadLetterReason) -> None:
        """Whoever asked is gone while it waited, for the first time or to be delivered again."""
        if (given := (self.given or {}).get(message.id, 0)) > message.attempt:
            message = message._again(given)  # the asker's own copy, which counts none
        self.over(message)
        self._node.dead_letter(message, reason)

    def refused(self, message: Message) -> None:
        """It was taken out while it waited, and whoever asked knows why: it is finished, and no dead letter."""
        came_before = self.comes_again(message)
        self.over(message)
        self._node.settle(message)
        if came_before:
            self._node.forget_records(message)

    def failed(self, message: Message, error: BaseException) -> None:
        """The agent gave it up, and lives on or ends as it likes."""
        self.over(message)
        failure = PlainError.of(error)
        self.count(failure, message.id)
        told: DeliveryError = failure.as_error(self._name)
        if isinstance(error, RunChanged) and error.run == message.run:
            told = error
        elif isinstance(error, BudgetExceeded):
            told = error._again()
        self._node.refuse(message, told)

    def crashed(self, message: Message, failure: PlainError, options: AgentOptions) -> None:
        """The agent crashed on it: decide what becomes of that and of the queue behind it."""
        self.count(failure, message.id)
        if options.delivery is not Delivery.AT_MOST_ONCE:
            self._redeliver(message, failure, options)
            return
        self._drop(message, failure, DeadLetterReason.CRASHED)
        for waiting in self._mailbox.clear():
            self._drop(waiting, failure, DeadLetterReason.CRASHED)

    def interrupted(self, message: Message, options: AgentOptions, *, recorded: bool) -> None:
        """A kill met the handler: redeliver it if that was promised.

        Args:
            message: The message.
            options: Of the agent.
            recorded: Whether steps are recorded for it.
        """
        why = "it was stopped while it handled the message"
        if options.delivery is Delivery.DURABLE and self._node.stops:
            self.was_given(message.id, (self.given or {}).get(message.id, 0))
            self._mailbox.put_back(message)
            return
        if options.delivery is not Delivery.AT_MOST_ONCE:
            self._redeliver(message, PlainError("CancelledError", why, ""), options)
            return
        self._terminated(message, why)
        if recorded:
            self._node.forget_records(message)

    def refuse_all(self, why: str) -> None:
        """Refuse what waits in the mailbox and what comes from now on."""
        self.given = None
        # Nothing in it leads back here: of a conversation that goes to sleep nothing is to be left to the collector.
        for message in self._mailbox.close(partial(AgentTerminated, self._name, why)):
            self._terminated(message, why)

    def refuse_asks(self, why: str, *, later: bool) -> None:
        """Refuse the asks that wait in the mailbox, and those that come `later`."""
        for message in self._mailbox.take_asks(
            partial(AgentTerminated, self._name, why), later=later
        ):
            self.over(message)
            self._terminated(message, why)

    def count(self, failure: PlainError, message_id: str = "") -> None:
        """Note an error; without a message it is that of a start."""
        self.failures += 1
        self.last_error = failure.error_type
        if self.errors is None:
            self.errors = deque(maxlen=_ERRORS)
        self.errors.append((time.time(), message_id, failure))

    def _terminated(self, message: Message, why: str) -> None:
        self._node.refuse(message, AgentTerminated(self._name, why))
        self._node.dead_letter(message, DeadLetterReason.TERMINATED)

    def _redeliver(self, message: Message, failure: PlainError, options: AgentOptions) -> None:
        """Leave `message` to the next incarnation, unless as many were given it as may be."""
        given = (self.given or {}).get(message.id, 0) + 1
        if given < options.max_deliveries:
            self.was_given(message.id, given)
            self._mailbox.put_back(message._again(message.attempt + 1))
        else:
            self.over(message)
            self._drop(message, failure, DeadLetterReason.MAX_DELIVERIES)

    def _drop(self, message: Message, failure: PlainError, reason: DeadLetterReason) -> None:
        self._node.refuse(message, failure.as_error(self._name))
        self._node.dead_letter(message, reason)

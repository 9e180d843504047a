"""What an agent and the world outside have in common: both send, ask, stream and broadcast."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NoReturn

from civitas.message import Message
from civitas.process.context import Context, Runner
from civitas.process.run_budget import with_budget
from civitas.process.run_config import with_config

__all__ = ["Messenger"]


class Messenger:
    """Whoever talks to agents: an agent itself, or, by a `Runtime`, the world outside."""

    _civitas_node: Context | None = None
    """The node that it talks through; None while it cannot talk."""
    _civitas_incarnation: Runner | None = None
    """Name of the agent that talks; None for the world outside."""

    def _civitas_silent(self) -> NoReturn:
        """Say why it cannot talk."""
        raise NotImplementedError

    async def send(
        self,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        run: str | None = None,
        budget: Mapping[str, Any] | None = None,
    ) -> None:
        """Send and go on; waits while the recipient's mailbox is full.

        In an OS process beside the root, and to an agent with `at_least_once`, it also waits until the root has the
        message: what was accepted outlives this process. To a durable agent it waits until the StateStore has it.

        Args:
            to: Name of the recipient.
            payload: What to send; the recipient gets its own copy.
            message_type: Becomes `message.type`.
            timeout: Seconds to wait for room in the mailbox; None waits for ever.
            conversation: In a handler, defaults to that of the message being handled.
            headers: Text to text, handed on as they are.
            config: For an agent that runs a framework with such: its run options for this message, as plain data; of
                LangGraph its `config`.
            run: Name of the run, for a durable agent. The same name and payload again is the same run.
            budget: What may be spent on models because of this message, by all agents together: a dict of `calls`,
                `tokens`, `usd` and `seconds`.

        Raises:
            UnknownAgent: Nobody has that name.
            MailboxFull: There was no room in time.
            AgentTerminated: It was stopped for good.
            RunConflict: Another payload began the run of that name.
            StateStoreError: The message could not be kept for a durable agent; nobody will handle it.
            PayloadError: `payload` cannot be sent.
            ConfigurationError: Another argument does not fit, or the sender does not run: a runtime that is not
                started, or that stops, takes nothing from outside.
        """
        node, caller = self._civitas_node or self._civitas_silent(), self._civitas_incarnation
        taking = node.send(
            caller,
            to,
            payload,
            message_type,
            timeout,
            conversation,
            headers if config is None and budget is None else _with(headers, config, budget),
            run,
        )
        if taking is not None:
            await taking

    async def ask(
        self,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        run: str | None = None,
        budget: Mapping[str, Any] | None = None,
    ) -> Message:
        """Send and wait for the answer.

        After a timeout the recipient may still finish; its late reply is dropped and counted as a dead letter.

        Args:
            to: Name of the recipient.
            payload: What to send; the recipient gets its own copy.
            message_type: Becomes `message.type`.
            timeout: Seconds until the answer must be there; in a handler, the deadline of the message being handled,
                if that is sooner. None waits for ever.
            conversation: In a handler, defaults to that of the message being handled.
            headers: Text to text, handed on as they are.
            config: For an agent that runs a framework with such: its run options for this message, as plain data; of
                LangGraph its `config`.
            run: Name of the run, for a durable agent. The same name and payload again is the same run.
            budget: What may be spent on models because of this message, by all agents together: a dict of `calls`,
                `tokens`, `usd` and `seconds`.

        Returns:
            The reply; its `sender` is the agent that answered.

        Raises:
            UnknownAgent: Nobody has that name. Raised at once.
            AskTimeout: No answer in time; also a builtin `TimeoutError`.
            HandlerFailed: The handler raised. Raised at once.
            NoReply: The handler returned None.
            AgentTerminated: It was stopped before it answered.
            NodeDown: Its OS process went away before it answered.
            MailboxFull: Its mailbox stayed full for the whole timeout.
            AskCycle: The ask would wait for itself. Raised at once.
            BudgetExceeded: A budget was used up before there was an answer.
            RunConflict: Another payload began the run of that name.
            StateStoreError: The message could not be kept for a durable agent; nobody will handle it.
            PayloadError: `payload` cannot be sent.
            ConfigurationError: As for `send`.
        """
        node, caller = self._civitas_node or self._civitas_silent(), self._civitas_incarnation
        return await node.ask(
            caller,
            to,
            payload,
            message_type,
            timeout,
            conversation,
            headers if config is None and budget is None else _with(headers, config, budget),
            run,
        )

    def stream(
        self,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        run: str | None = None,
        budget: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Message, None]:
        """Send, and iterate over what the recipient emits; its reply comes last.

        Closing the generator (`aclose()`, leaving `contextlib.aclosing`, cancellation) cancels the producer. A slow
        reader slows it: it is at most 100 chunks ahead.

        Args:
            to: Name of the recipient.
            payload: What to send; the recipient gets its own copy.
            message_type: Becomes `message.type`.
            timeout: Seconds until the final reply must be there; None waits for ever.
            conversation: In a handler, defaults to that of the message being handled.
            headers: Text to text, handed on as they are.
            config: For an agent that runs a framework with such: its run options for this message, as plain data; of
                LangGraph its `config`.
            run: Name of the run, for a durable agent. The same name and payload again is the same run.
            budget: What may be spent on models because of this message, by all agents together: a dict of `calls`,
                `tokens`, `usd` and `seconds`.

        Raises:
            DeliveryError: As for `ask`, out of the iteration.
            ConfigurationError: As for `send`.
        """
        node, caller = self._civitas_node or self._civitas_silent(), self._civitas_incarnation
        return node.stream(
            caller,
            to,
            payload,
            message_type,
            timeout,
            conversation,
            headers if config is None and budget is None else _with(headers, config, budget),
            run,
        )

    async def broadcast(
        self,
        pattern: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Send to every agent whose name matches the glob `pattern`, the sender itself excepted.

        A full mailbox does not stop the others; `timeout` bounds the wait for the full ones.

        Args:
            pattern: A pattern of names, such as ``worker-*``.
            payload: What to send; each recipient gets its own copy.
            message_type: Becomes `message.type`.
            timeout: Seconds to wait for room in each mailbox; None waits for ever.
            conversation: In a handler, defaults to that of the message being handled.
            headers: Text to text, handed on as they are.

        Returns:
            How many accepted it.

        Raises:
            PayloadError: `payload` cannot be sent.
            ConfigurationError: As for `send`.
        """
        node, caller = self._civitas_node or self._civitas_silent(), self._civitas_incarnation
        return await node.broadcast(
            caller, pattern, payload, message_type, timeout, conversation, headers
        )


def _with(
    headers: Mapping[str, str] | None,
    config: Mapping[str, Any] | None,
    budget: Mapping[str, Any] | None,
) -> Mapping[str, str] | None:
    """`headers` with what else a message brings along."""
    if config is not None:
        headers = with_config(headers, config)
    return headers if budget is None else with_budget(headers, budget)

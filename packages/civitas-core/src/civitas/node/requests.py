"""Messages that want an answer, and the agents whose handlers wait for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from civitas.errors import AgentTerminated, AskCycle, ConfigurationError
from civitas.message import Message, check_headers, encode, new_id, new_message
from civitas.message.call_name import is_call
from civitas.node.asks import Asking
from civitas.node.registry import Recipient, Registry
from civitas.process import Caller, Delivery, Status, current_agent, current_message
from civitas.process.awaiting import waiting_agent
from civitas.process.options import check_timeout
from civitas.process.run_budget import handed_on
from civitas.supervision import ConversationPoolProcess
from civitas.telemetry.tracing import Tracing

__all__ = ["Requests", "check_keeps_runs", "keeps_runs", "why_not"]


class Requests:
    """Makes the messages that want an answer, and knows who waits for it, so that nobody waits for itself.

    Args:
        node: Name of the node, where the answers go.
        registry: Knows the agents.
        tracing: Whether spans are made.
    """

    def __init__(self, node: str, registry: Registry, tracing: Tracing) -> None:
        self._node = node
        self._registry = registry
        self._tracing = tracing
        self.by_way_of_runtime: dict[str, str] = {}
        """The agents whose handlers wait for asks that the runtime sent for them, by the id of each."""
        self.asks_late: Callable[[str, str, str], object] = lambda asker, id, name: None
        """Called when an agent that is being stopped asks: with its name, the message's id and whom it asks."""

    def begin(
        self,
        sender: Caller | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
        wants_chunks: bool,
        run: str | None = None,
    ) -> tuple[Recipient, Message, float | None, Asking | None]:
        """Make a message that wants an answer.

        Returns:
            Whom it is for, the message, the seconds its sender waits, and those its sender waits for, among
            whom that agent now stands.
        """
        # Nearly all have one of these, and to see that costs next to nothing.
        if type(timeout) is not float or not 0.0 < timeout < 1e9:
            check_timeout(timeout)
        if headers is not None:
            headers = check_headers(headers)
        raw = encode(payload)
        now = time.time()
        id = new_id(now)
        deadline = now + timeout if timeout is not None else None
        asking = name = asker = None
        handled = current_message.get(None)
        if handled is not None and handled.headers:
            headers = handed_on(handled.headers, headers, traced=self._tracing.active)
        if sender is None:
            if current_agent.get(None) is not None:
                asker = waiting_agent()
        else:
            name = sender.name
            if handled is not None:
                if conversation is None:
                    conversation = handled.conversation
                # Who asked the asker waits no longer than this, so neither does the asker.
                if handled.deadline is not None and (
                    deadline is None or handled.deadline < deadline
                ):
                    deadline = handled.deadline
                    timeout = max(deadline - now, 0.0)
        message = new_message(
            message_type,
            name,
            to,
            raw,
            id,
            None,
            self._node,
            conversation,
            headers,
            now,
            deadline,
            0,
            wants_chunks,
            run,
        )
        found = self._registry.get(to) if type(to) is str else None
        cell = found or self._registry.route(to, message.conversation, id)
        if run is not None and is_call(run) and not keeps_runs(cell):
            message = message.replaced(run_name=None)
        elif run is not None:
            check_keeps_runs(cell, run)
        if sender is not None and sender.blocked_by(handled):
            asker = sender
        if asker is not None:
            if cycle := self._registry.cycle(asker.name, cell.name):
                raise AskCycle(cycle)
            if asker.shuts_down:
                self.refuse_while_down(cell, asker.name)
                self.asks_late(asker.name, id, cell.name)
            asking = asker.asking
            if sender is None:
                self.by_way_of_runtime[id] = asker.name
            asking[id] = cell.name
        return cell, message, timeout, asking

    def end(self, message_id: str, asking: Asking) -> None:
        """Nobody waits any more for the answer to a message."""
        asking.pop(message_id, None)
        self.by_way_of_runtime.pop(message_id, None)

    def asker_of(self, message: Message) -> str | None:
        """The agent here that waits for the answer to a message; None for nobody, or nobody's handler."""
        name = message.sender or self.by_way_of_runtime.get(message.id)
        sender = self._registry.get(name) if name is not None else None
        return name if sender is not None and message.id in sender.asking else None

    def refuse_while_down(self, cell: Recipient, asker: str) -> None:
        """Let an agent that is being stopped not wait for one that is down: its start may wait for the end of that.

        Raises:
            AgentTerminated: It is down.
        """
        if self.is_down(cell):
            raise AgentTerminated(cell.name, why_not(asker))

    def is_down(self, cell: Recipient) -> bool:
        """Whether it runs again only when a supervisor has started it; a conversation wakes where its pool runs."""
        if cell.alive:
            return False
        name = cell.name.partition("/")[0]
        for each in self._registry.pools.values():
            pool = getattr(each, "here", each)
            if isinstance(pool, ConversationPoolProcess) and pool.name == name:
                return pool.status is not Status.RUNNING
        return True


def keeps_runs(cell: Recipient) -> bool:
    """Whether what is sent to an agent is kept in the state store, under a name."""
    return getattr(cell.entry, "keeps_runs", False)


def check_keeps_runs(cell: Recipient, run: str) -> None:
    """Raise `ConfigurationError` where a run has a name, and its agent keeps none."""
    if keeps_runs(cell):
        return
    if cell.delivery == Delivery.DURABLE:
        raise ConfigurationError(
            f"run={run!r} needs messages that are kept in the state store, and those of {cell.name!r} are kept by the "
            "broker, which has no names of runs. Write jetstream: false, or leave run= out"
        )
    raise ConfigurationError(
        f"run={run!r} needs an agent whose messages are kept, and {cell.name!r} has delivery {cell.delivery}; "
        "give it delivery='durable' (an adapter: durable=True), or leave run= out"
    )


def why_not(asker: str) -> str:
    """Why an agent that is down does not answer one that is being stopped."""
    return f"it is down, and {asker!r}, which asks it, is being stopped"

"""What a process needs of the node that hosts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context as ContextVariables
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from civitas.errors import DeliveryError
from civitas.message import Message
from civitas.state import StateStore
from civitas.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from civitas.process.agent import AgentProcess
    from civitas.process.exit_reason import ExitReason
    from civitas.process.incarnation import Incarnation
    from civitas.process.timer import Timer
    from civitas.process.turns import Turns

__all__ = ["Context", "current_agent", "current_message"]

current_agent: ContextVar[AgentProcess] = ContextVar("civitas_agent")
"""The agent whose code runs; also in its threads and in the tasks it starts."""

current_message: ContextVar[Message | None] = ContextVar("civitas_message", default=None)
"""The message that agent handles: what it sends inherits its conversation and its deadline."""


class Context(Protocol):
    """The node, as its processes see it."""

    name: str
    """``root`` for the one that runs the supervision tree."""
    loop: asyncio.AbstractEventLoop
    turns: Turns
    variables: ContextVariables
    """The context variables that each incarnation begins with: not those of who happens to start or wake it."""
    executor: ThreadPoolExecutor
    tool_threads: ThreadPoolExecutor
    tracing: Tracing
    store: StateStore
    llm: Any
    tools: Any
    foreign: dict[str, Any]
    """The messages of other nodes that agents of this one have, by id."""

    def blocking_calls(self, message_id: str) -> int:
        """How many calls that block a thread go on for a message."""

    def lend_threads(self) -> ThreadPoolExecutor:
        """The threads for blocking code of frameworks, for an event loop of an agent's own."""

    def take_in_hand(self, agent: str, message: Message) -> Awaitable[None] | None:
        """An agent begins to handle a message of another node; it must wait for what this returns."""

    def forget_records(self, message: Message) -> None:
        """Drop what is recorded for a message that was given up."""

    def settle(self, message: Message) -> None:
        """An agent has finished with a message: its sender may forget it."""

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

    def stream(
        self,
        sender: Incarnation | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
    ) -> AsyncGenerator[Message, None]:
        """Hand a message to the agent `to` and yield what it emits, then its answer."""

    async def emit(self, request: Message, chunk: Message) -> None:
        """Hand a chunk to whoever reads the stream that `request` began."""

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

    async def spawn(self, sender: Incarnation, agent: AgentProcess, supervisor: str | None) -> None:
        """Start `agent` under the named dynamic supervisor, or the one nearest to `sender`."""

    async def terminate(self, sender: Incarnation, name: str) -> bool:
        """End an agent that was spawned; False where it is not there."""

    async def monitor(self, watcher: Incarnation, target: str) -> str:
        """Tell `watcher` when the running incarnation of `target` exits."""

    async def demonitor(self, ref: str) -> None:
        """End a monitor."""

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""

    def closed(self, name: str, why: str) -> None:
        """The mailbox of `name` is closed for `why`; open again where that is empty."""

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""

    def answer(self, request: Message, reply: Message) -> None:
        """Hand `reply` to whoever waits for an answer to `request`."""

    def refuse(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to `request` that there is none, and why."""

    def dead_letter(self, message: Message, reason: str) -> None:
        """Count and report a message that nobody will handle."""

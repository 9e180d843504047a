"""What an agent, its run and the node that hosts it know of each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context as ContextVariables
from typing import TYPE_CHECKING, Any, Protocol

from civitas.budgets import Amounts, Claim, Spending
from civitas.errors import DeliveryError
from civitas.events import DeadLetterReason, EventType
from civitas.message import Message
from civitas.process.options import AgentOptions
from civitas.process.resources import Owner
from civitas.state import Retention, StateStore
from civitas.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from civitas.budgets.spending import Tells
    from civitas.process.ambiguous import CallNote
    from civitas.process.exit_reason import ExitReason
    from civitas.process.own_timers import OwnTimers
    from civitas.process.run_state import RunState
    from civitas.process.slow_start import SlowStarts
    from civitas.process.step_gate import StepGate
    from civitas.process.steps import Probe, Steps
    from civitas.process.timer import Timer
    from civitas.process.turns import Turns
    from civitas.state.patience import PatientStore

__all__ = ["Caller", "Context", "Runner"]


class Budgeted(Protocol):
    """An agent, as the budgets see it."""

    name: str
    _civitas_family: str
    _civitas_options: AgentOptions


class Budgeting(Protocol):
    """The budgets of a node, as its processes see them."""

    def begin(
        self, agent: Budgeted, message: Message | None, tells: Tells | None = None
    ) -> Spending:
        """An agent begins with a message; in `on_start` and `on_stop` with none. `tells` learns what calls cost."""

    async def raise_claim(self, claim: Claim, more: Amounts) -> None:
        """Let more be spent of a budget."""

    def limits(self, agent: Budgeted) -> bool:
        """Whether what an agent does counts against any budget, whatever the message."""


class Caller(Protocol):
    """A running agent, as its node sees it: who sends, asks, spawns and monitors."""

    name: str
    asking: dict[str, str]
    """The agents that its running handler waits for, by the id of its message to each."""
    now: RunState
    timers: OwnTimers

    @property
    def family(self) -> str:
        """The name it stands behind: that of its pool for a conversation; for most its own."""

    @property
    def shuts_down(self) -> bool:
        """Whether its supervisor waits for its end."""

    def blocked_by(self, message: Message | None) -> bool:
        """Whether it takes no message while code waits that runs for `message`; None in `on_start` and `on_stop`."""


class Context(Protocol):
    """The node, as its processes see it."""

    name: str
    """``root`` for the one that runs the supervision tree."""
    stops: bool
    """Whether its agents are about to be stopped for good: what that interrupts does not count as a delivery."""
    loop: asyncio.AbstractEventLoop
    turns: Turns
    slow_starts: SlowStarts
    """Names the agents that take long to start."""
    variables: ContextVariables
    """The context variables that each incarnation begins with: not those of whatever happens to start or wake it."""
    executor: ThreadPoolExecutor
    tool_threads: ThreadPoolExecutor
    tracing: Tracing
    store: StateStore
    retention: Retention
    llm: Any
    tools: Any
    offering: Any
    """Takes the tools of agents that have some."""
    step_gate: StepGate
    """Where the steps of durable agents begin."""
    last_words: Any
    """Ends the asks of agents that are being stopped, where nobody can answer them."""
    foreign: dict[str, Any]
    """The messages of other nodes that agents of this one have, by id."""

    @property
    def budgets(self) -> Budgeting:
        """What its processes may spend."""

    def check_loop(self, agent: str) -> None:
        """Refuse what the code of an agent does on an event loop of its own."""

    def blocking_calls(self, message_id: str) -> int:
        """How many calls that block a thread go on for a message."""

    def lend_threads(self) -> ThreadPoolExecutor:
        """The threads for blocking code of frameworks, for an event loop of an agent's own."""

    def take_in_hand(self, agent: str, message: Message) -> Awaitable[None] | None:
        """An agent begins to handle a message of another node; it must wait for what this returns."""

    def recording(self, message: Message) -> None:
        """Steps of a message are about to be recorded."""

    def forget_records(self, message: Message) -> None:
        """Drop what is recorded for a message that was given up."""

    def settle(self, message: Message) -> Any:
        """An agent has finished with a message: its sender may forget it; returns where it came from, or None."""

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

    async def ask(
        self,
        sender: Caller | None,
        to: str,
        payload: Any,
        message_type: str,
        timeout: float | None,
        conversation: str | None,
        headers: Mapping[str, str] | None,
        run: str | None = None,
    ) -> Message:
        """Hand a message to the agent `to` and wait for its answer."""

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
        """Hand a message to every agent whose name matches."""

    def stream(
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

    def emit(self, request: Message, chunk: Message) -> Awaitable[object] | None:
        """Hand a chunk to whoever reads the stream that `request` began; returns what to wait for."""

    async def keeps_runs_of(self, name: str, conversation: str | None) -> bool:
        """Whether a message to the agent `name` begins a run that is found again; False if nobody can say."""

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

    async def spawn(self, sender: Caller, agent: Any, supervisor: str | None) -> None:
        """Start `agent`, an `AgentProcess`, under the named dynamic supervisor, or the one nearest to `sender`."""

    async def terminate(self, sender: Caller, name: str) -> bool:
        """End an agent that was spawned; False if it is not there."""

    async def monitor(self, watcher: Caller, target: str) -> str:
        """Tell `watcher` when the running incarnation of `target` exits."""

    async def demonitor(self, ref: str) -> None:
        """End a monitor."""

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""

    def closed(self, name: str, why: str) -> None:
        """The mailbox of `name` is closed for `why`; open again if that is empty."""

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""

    def answer(self, request: Message, reply: Message) -> None:
        """Hand `reply` to whoever waits for an answer to `request`."""

    def refuse(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to `request` that there is none, and why."""

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """Count and report a message that nobody will handle."""

    def event(self, type: EventType, name: str, reason: str, message: str) -> None:
        """Report something that happened."""


class KeepsSteps(Protocol):
    """What is recorded of the messages of an agent; `StepKeeper` says what its methods do."""

    async def step(
        self,
        key: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        probe: Probe = None,
        note: CallNote | None = None,
    ) -> Any: ...
    def steps(self) -> Steps: ...
    def steps_of(self, message: Message, owner: str) -> Steps: ...
    def take_up(self, steps: Steps) -> None: ...


class Runner(Caller, Owner, Protocol):
    """The run of an agent, as the agent sees it."""

    node: Context
    store: PatientStore | None
    task: asyncio.Task[Any] | None

    @property
    def step_keeper(self) -> KeepsSteps:
        """What is recorded of the messages that it handles."""

    def end(self, reason: ExitReason) -> None:
        """End with `reason` after the message being handled."""

    def spending(self) -> Spending:
        """What the handling of the message in hand spends."""

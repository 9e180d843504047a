"""`AgentProcess`: what a user subclasses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from civitas.budgets.metered import MeteredModel
from civitas.errors import AgentTerminated, ConfigurationError
from civitas.message import Message, encode, new_message
from civitas.process.ambiguous import Ambiguity, CallNote
from civitas.process.context import Runner
from civitas.process.current import current_message
from civitas.process.declared import refuses_unknown_keywords
from civitas.process.emitting import emit_chunk
from civitas.process.error_action import ErrorAction
from civitas.process.exit_reason import NORMAL
from civitas.process.messenger import Messenger
from civitas.process.options import (
    AgentOptions,
    Delivery,
    OnAmbiguous,
    RestartType,
    check_is_name,
    check_name,
)
from civitas.process.own_store import store_of
from civitas.process.resources import Owner
from civitas.process.schedule import Missed, Schedule
from civitas.process.steps import Probe, check_step
from civitas.process.waiting import wait_in_thread

if TYPE_CHECKING:
    from datetime import timedelta

    from opentelemetry.trace import Span

    from civitas.models import ModelProvider
    from civitas.process.timer import Timer
    from civitas.state import StateStore
    from civitas.tools import ToolRegistry

__all__ = ["AgentProcess", "current_agent"]

_Result = TypeVar("_Result")


class AgentProcess(Messenger):
    """One supervised process: a name, a mailbox, private state, and one message at a time.

    Subclass it and write `handle`. A restart builds a fresh instance from the same constructor call, with the same
    argument objects: nothing a handler did to `self` survives but the `state` it checkpointed.

    `handle` and the callbacks may be `async def` or plain `def`; a plain one runs in a thread of the runtime's own
    pool, blocks nobody, and waits for a coroutine with `self.run(self.ask(...))`.

    Args:
        name: Address of the agent, unique in the system.
        mailbox_size: Messages that may wait before senders have to.
        restart: `permanent` (always), `transient` (after an abnormal exit) or `temporary` (never); as in OTP.
        shutdown_timeout: Seconds it gets to end when it is stopped, before it is cancelled. 0 cancels at once,
            None waits for ever.
        max_retries: How often `ErrorAction.RETRY` repeats one message before it escalates.
        handle_timeout: Seconds one `handle` may take; longer is a failure like any exception. None: no bound.
        cancel_on_timeout: Cancel the running `handle` when whoever asked is gone.
        delivery: `at_most_once`: what is being handled or waits when the agent crashes is lost and its sender told.
            `at_least_once`: it goes to the next incarnation. `durable`: also to the next start of the program.
        max_deliveries: How many incarnations are given the same message, with `at_least_once` and `durable`.
        on_ambiguous: What becomes of a `step` that a kill met before its result was recorded: `repeat` it, with the
            same idempotency key, or `interrupt`, which asks a human whether it happened; needs `durable`.
        schedule: A cron expression (``*/5 * * * *``): each time it is sent a message of type ``civitas.schedule``.
        timezone: That `schedule` is meant in, such as ``Europe/Berlin``; UTC by default.
        every: The same, each so many seconds, or ``10m``; the first time that long after its first start.
        missed: What becomes of the times that pass while the system does not run: `once` (one message for all), `all`
            (one for each) or `skip`.
        schedule_payload: Payload of these messages. None: ``{"due": datetime, "missed": number of further times}``.
        budget: What it may spend on models: a dict of `calls`, `tokens`, `usd`, `seconds`, and `per`.
        budget_exceeded: `refuse`: whoever asked gets `BudgetExceeded`; `ask`: an interrupt, which a human answers.

    Raises:
        ConfigurationError: An argument does not fit.
    """

    state: dict[str, Any]
    """Private state. `checkpoint` makes it durable; it is restored before `on_start`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102 - the constructor call is kept, for restarts
        self = super().__new__(cls)
        self._civitas_call = (args, kwargs)
        self._civitas_used = False
        return self

    _civitas_call: tuple[tuple[Any, ...], dict[str, Any]]
    _civitas_used: bool
    _civitas_ambiguity: Ambiguity | None
    _civitas_family: str
    """The name it stands behind: that of its pool for a conversation; for most its own."""

    def _civitas_fresh(self) -> Self:
        """An instance nobody ran yet: this one, or another from the same constructor call."""
        if self._civitas_used:
            args, kwargs = self._civitas_call
            return type(self)(*args, **kwargs)._civitas_fresh()
        self._civitas_used = True
        return self

    @refuses_unknown_keywords
    def __init__(
        self,
        name: str,
        *,
        mailbox_size: int = 1000,
        restart: RestartType | str = RestartType.PERMANENT,
        shutdown_timeout: float | None = 30.0,
        max_retries: int = 3,
        handle_timeout: float | None = None,
        cancel_on_timeout: bool = False,
        delivery: Delivery | str = Delivery.AT_MOST_ONCE,
        max_deliveries: int = 3,
        on_ambiguous: OnAmbiguous | str = OnAmbiguous.REPEAT,
        schedule: str | None = None,
        timezone: str | None = None,
        every: float | str | timedelta | None = None,
        missed: Missed | str = Missed.ONCE,
        schedule_payload: Any = None,
        budget: Mapping[str, Any] | None = None,
        budget_exceeded: str = "refuse",
    ) -> None:
        self.name = self._civitas_family = check_name(name)
        who = f"{type(self).__name__}({name!r})"
        self._civitas_options = AgentOptions.checked(
            who,
            mailbox_size=mailbox_size,
            restart=restart,
            shutdown_timeout=shutdown_timeout,
            max_retries=max_retries,
            handle_timeout=handle_timeout,
            cancel_on_timeout=cancel_on_timeout,
            delivery=delivery,
            max_deliveries=max_deliveries,
            on_ambiguous=on_ambiguous,
            schedule=Schedule.read(who, schedule, timezone, every, missed, schedule_payload),
            budget=budget,
            budget_exceeded=budget_exceeded,
        )
        interrupts = self._civitas_options.on_ambiguous is OnAmbiguous.INTERRUPT
        self._civitas_ambiguity = Ambiguity(asks=True) if interrupts else None
        self.state = {}

    # What a subclass writes.

    async def on_start(self) -> None:
        """Called before the first message, `state` restored; an error here is a failed start."""

    async def handle(self, message: Message) -> Message | None:
        """Handle one message.

        Returns:
            `self.reply(...)` to answer whoever asked, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} must define handle(self, message)")

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        """Decide about a message whose handler raised; the default lets the agent crash."""
        return ErrorAction.ESCALATE

    async def on_stop(self) -> None:
        """Called when it ends, after a graceful stop and after a crash, but not when it is killed."""

    # What it may use.

    @property
    def store(self) -> StateStore:
        """The runtime's StateStore. If it is unavailable, each call waits for it, up to ten seconds."""
        run = self._civitas_running()
        run.store = run.store or store_of(run.node.store, self.name, self._civitas_owns)
        return run.store

    @property
    def llm(self) -> ModelProvider | None:
        """The runtime's ModelProvider; None if none is configured."""
        run = self._civitas_running()
        return None if run.node.llm is None else MeteredModel(run.node.llm, run.spending)

    @property
    def tools(self) -> ToolRegistry | None:
        """The runtime's tools, by name; None if none are configured."""
        return self._civitas_running().node.tools  # type: ignore[no-any-return]

    def _civitas_silent(self) -> NoReturn:
        self._civitas_running()
        raise AgentTerminated(self.name, "this incarnation of it has ended")

    def reply(self, payload: Any, message_type: str = "reply") -> Message:
        """The answer to the message being handled; return it from `handle`.

        Raises:
            PayloadError: `payload` cannot be sent; if not caught, it is like any exception in a handler.
        """
        request = self._civitas_handled("reply()")
        to, conversation = request.reply_to or request.sender or "", request.conversation
        return new_message(
            message_type, self.name, to, encode(payload), None, request.id, None, conversation
        )

    async def emit(self, payload: Any, message_type: str = "chunk") -> None:
        """Hand one chunk to the caller that streams; no effect under `ask` and `send`.

        Waits while a slow reader is 100 chunks behind.

        Raises:
            PayloadError: `payload` cannot be sent.
        """
        if (waiting := self._civitas_emit(payload, message_type, None)) is not None:
            await waiting

    def _civitas_emit(
        self, payload: Any, message_type: str, headers: Mapping[str, str] | None
    ) -> Awaitable[object] | None:
        request = self._civitas_handled("emit()")
        return emit_chunk(self._civitas_here(), request, payload, message_type, headers)

    async def step(self, key: str, fn: Callable[..., Any], *args: Any, probe: Probe = None) -> Any:
        """Run `fn(*args)`, sync or async, once per message; its result is recorded until that is finished.

        A kill before the record runs `fn` again: hand `idempotency_key(key)` to an outside service.

        Args:
            key: Names the step within the message, the same each time.
            fn: What to run; its result follows the payload rules.
            *args: For `fn`.
            probe: Asked before `fn` runs again: returns `Happened(result)` if it was done, or None.
        Returns:
            The recorded result, as plain data.
        Raises:
            ConfigurationError: `key` is not text, `fn` is not a function, or `probe` is not one that returns these.
        """
        self._civitas_handled("step()")
        check_step(key, fn, probe)
        note = CallNote("step", key, args)
        return await self._civitas_here().step_keeper.step(key, fn, args, probe, note)

    def idempotency_key(self, key: str) -> str:
        """A text for an outside service: the same for each delivery of the message being handled."""
        return f"{self._civitas_handled('idempotency_key()').id}:{key}"

    async def spawn(
        self,
        cls: type[AgentProcess],
        name: str,
        *args: Any,
        supervisor: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Start `cls(name, *args, **kwargs)` as a child of a `DynamicSupervisor`; it is ready when this returns.

        Cancelled, it is undone: the child is stopped and forgotten.

        Args:
            cls: A subclass of `AgentProcess`.
            name: Its address.
            *args: For its constructor.
            supervisor: Name of the `DynamicSupervisor`; by default the nearest: a sibling, or going up the tree.
            **kwargs: For its constructor.
        Returns:
            Its name.
        Raises:
            SupervisionError: The name is taken (`already_started`), or there is no room (`max_children`).
            StartFailed: It did not start.
            ConfigurationError: There is no such supervisor, or `cls` is not an agent.
        """
        given: object = cls
        if not (isinstance(given, type) and issubclass(given, AgentProcess)):
            raise ConfigurationError(f"spawn takes a subclass of AgentProcess; got {cls!r}")
        process = self._civitas_here()
        agent = cls(name, *args, **kwargs)
        await process.node.spawn(process, agent, supervisor)
        return agent.name

    async def terminate(self, name: str) -> bool:
        """End an agent that was spawned, within its `shutdown_timeout`; itself, after this message.

        Returns:
            False if it is not there.
        Raises:
            SupervisionError: It was not spawned; it is in a supervisor's `children`.
        """
        check_is_name(name, "what is terminated")
        process = self._civitas_here()
        return await process.node.terminate(process, name)

    async def monitor(self, name: str) -> str:
        """Be told when the running incarnation of `name` exits, even if a restart follows.

        One message of type ``civitas.down`` comes, with ``{"ref", "name", "reason", "error"}``; at once and with reason
        ``noproc`` if it does not run. Semantics: Erlang's `monitor/2`.

        Returns:
            The reference, for `demonitor`.
        """
        check_is_name(name, "what is monitored")
        process = self._civitas_here()
        return await process.node.monitor(process, name)

    async def demonitor(self, ref: str) -> None:
        """End a monitor; does nothing if it has reported already."""
        await self._civitas_here().node.demonitor(ref)

    def send_after(
        self,
        delay: float,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Timer:
        """Send in `delay` seconds, unless its `cancel()` ends it. It ends with this incarnation, too.

        Of a durable agent it is in the StateStore before its message is finished, and outlives agent and program.

        What cannot be delivered then is a dead letter.

        Raises:
            PayloadError: `payload` cannot be sent. Raised now.
        """
        process = self._civitas_running()
        return process.node.send_after(
            process, delay, to, payload, message_type, conversation, headers
        )

    async def checkpoint(self) -> None:
        """Save `state` under the agent's name; it is durable when this returns.

        Raises:
            StateStoreError: It was not saved, after ten seconds if the store was unavailable.
            StateConflict: In a store of several machines: another incarnation has taken over on one of them.
        """
        await self.store.set(self.name, self.state)

    async def stop(self) -> None:
        """End with reason `normal` after this message."""
        self._civitas_running().end(NORMAL)

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Wait for a coroutine from a plain `def` handler, as in `self.run(self.ask(...))`."""
        return wait_in_thread(self.name, lambda: self._civitas_running().node.loop, coroutine)

    def llm_span(self, model: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A `chat MODEL` span around an LLM call made by hand."""
        return self._civitas_running().node.tracing.llm_span(model, **attributes)

    def tool_span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """An `execute_tool NAME` span around a tool call made by hand."""
        return self._civitas_running().node.tracing.tool_span(name, **attributes)

    async def _civitas_open(self, owner: Owner) -> AgentProcess:
        """Get ready to run, before `on_start` and in the same task; the agent that runs, for most itself."""
        return self

    def _civitas_wind_down(self) -> None:
        """It is to end while it handles a message. Whoever can leave it where it is raises `Unfinished` in `handle`."""

    def _civitas_handled(self, what: str) -> Message:
        if (message := current_message.get(None)) is None:
            raise ConfigurationError(
                f"{self.name!r} called {what} while it was not handling a message; call it in handle"
            )
        return message

    def _civitas_owns(self, key: str) -> bool:
        """Whether only one incarnation at a time has a reason to write this key."""
        return key == self.name

    def _civitas_running(self) -> Runner:
        run = self._civitas_incarnation
        if run is None:
            raise ConfigurationError(
                f"{type(self).__name__} {self.name!r} is not running; "
                "messages, store and spans are available from on_start on"
            )
        if run.now.over:
            raise AgentTerminated(self.name, "this incarnation of it has ended")
        return run

    def _civitas_here(self) -> Runner:
        """The same, for a call that is awaited: only on the event loop that the agent runs on."""
        run = self._civitas_running()
        run.node.check_loop(self.name)
        return run

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'name', '(no name)')!r}>"


current_agent: ContextVar[AgentProcess] = ContextVar("civitas_agent")
"""The agent whose code runs; also in its threads and in the tasks it starts."""

"""`Run`: one run of a framework, for one message."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from civitas.errors import BudgetExceeded, ConfigurationError
from civitas.frameworks.accounts import FAILURES, USAGE, failures_of, usage_of
from civitas.frameworks.conversations import WHOLE_HISTORY
from civitas.message import Message, encode, new_message
from civitas.message.call_name import call_name
from civitas.node.streams import OFFSET, PART
from civitas.process.progress import Progress
from civitas.process.run_config import config_of_message

if TYPE_CHECKING:
    from civitas.budgets import Reservation, Spending
    from civitas.frameworks.conversations import Record
    from civitas.frameworks.spans import SpanTree
    from civitas.process import Runner
    from civitas.process.ambiguous import CallNote

__all__ = ["Interrupted", "Run", "current_run", "idempotency_key"]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What `run_framework` returns when a run waits for a human.

    Attributes:
        interrupts: For each question its `id` and its `value`, what is asked.
        saved: Plain data from which the run goes on; `Run.saved` when the answer comes. An adapter that has the
            framework keep it leaves it out.
    """

    interrupts: Sequence[Mapping[str, Any]]
    saved: Any = None


class RunningAgent(Protocol):
    """A `FrameworkAgent`, as the run of its framework sees it."""

    name: str
    operation: ClassVar[Literal["invoke_agent", "invoke_workflow"]]
    distributions: ClassVar[Sequence[str]]
    framework_spans: bool | None
    progress_timeout: float | None

    async def run_framework(self, run: Run) -> Any:
        """Run the framework."""

    def key_of_step(self) -> str | None:
        """`idempotency_key()` in code that no `Run.once` calls."""

    def _civitas_emit(
        self, payload: Any, message_type: str, headers: Mapping[str, str] | None
    ) -> Awaitable[object] | None: ...

    def _civitas_running(self) -> Runner: ...


_NOT_DONE: Any = object()


@dataclass(eq=False)
class Run:
    """One run of a framework, for one message.

    Attributes:
        agent: The agent it runs in.
        message: The message that began it, or the ``resume`` that goes on with it.
        payload: What the framework is run on; that of `message`.
        conversation: What to keep memory under; None for no memory.
        durable: Whether what is finished must not be done again when the message is delivered again.
        answers: For a ``resume``, the human's answer to each interrupt by its id; None for a new run. None of them are
            there if it repeats those of a run that failed behind them.
        saved: For a ``resume``, what the adapter gave to `Interrupted`.
        history: What the adapter kept of the conversation's earlier runs, plain data; None if there is none.
            What it is when the run has ended well is kept; a run that fails leaves no trace in it. What is new in it is
            what is written, if it is a list, or a dict with lists in it: put another item in the place of one that
            changes, as what an item has inside is not looked at again.
        spans: Where to put the spans of the run; None while nobody records it.
        progress: Where to note what it is doing, for whoever looks.
        headers: Of the reply: what there is to say of the run beside what it returned.
        begun: What to keep with a question that it asks: the parts of what runs, and what it began with if that may be
            needed to start it over. Plain data.
        left: Whether an earlier delivery of its message has left something, though it may not count, as after a stop.
        starts_over: Whether it begins again with `payload` and `history`, though its message answers a question.
        forgets: Whether it leaves behind what an earlier delivery of its message did.
    """

    agent: RunningAgent
    message: Message
    payload: Any
    conversation: str | None
    durable: bool = False
    answers: Mapping[str, Any] | None = None
    saved: Any = None
    history: Any = None
    spans: SpanTree | None = None
    progress: Progress = field(init=False)
    headers: dict[str, str] = field(default_factory=dict)
    begun: dict[str, Any] | None = None
    left: bool = False
    starts_over: bool = False
    forgets: bool = False
    record: Record | None = None
    """What is kept of the conversation, as it was when the run began; None where the framework keeps it."""
    exceeded: BudgetExceeded | None = None
    """Why a call of a model was not made; frameworks make other errors of that."""
    made: list[str] = field(default_factory=list)
    """The keys of the calls that `once` has recorded or found."""
    _told: dict[str, int] = field(default_factory=dict)
    _called: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.progress = Progress(self.message.id, names_steps=True)

    @property
    def again(self) -> bool:
        """Whether an earlier attempt at this message may have left something finished."""
        return self.message.attempt > 0 or self.left

    @property
    def goes_on(self) -> bool:
        """Whether its message repeats answers that were used: it goes on with what the run that failed has left."""
        return self.answers is not None and not self.answers

    @property
    def whole_history(self) -> bool:
        """Whether the payload holds all of the conversation, so that what is kept of that would be twice: a handoff."""
        return WHOLE_HISTORY in self.message.headers

    @property
    def config(self) -> dict[str, Any]:
        """The run options of the framework that the message brings along; see `FrameworkAgent.takes_config`."""
        return config_of_message(self.message.headers)

    @property
    def watched(self) -> bool:
        """Whether a run without progress is ended, so that models are to stream although nobody may read it."""
        return self.agent.progress_timeout is not None

    @property
    def streams(self) -> bool:
        """Whether somebody reads chunks; otherwise sending them has no effect."""
        return self.message.wants_chunks

    # What the reader of a stream is told. `part` names what of the run a chunk belongs to, the same each time the
    # message is delivered: whatever the reader heard of that part already is left out.

    async def token(self, text: str, part: str = "") -> None:
        """Send the next piece of a model's answer to the reader; an empty one is left out.

        Args:
            text: The piece.
            part: Names that one call of the model.
        """
        if not text:
            return
        self.progress.moves("a token came")
        if not self.streams:
            return
        headers = None
        if part:
            offset = self._told.get(part, 0)
            self._told[part] = offset + len(text)
            headers = {PART: part, OFFSET: str(offset)}
        await self._emit({"text": text}, "token", headers)

    def begin(self, part: str) -> None:
        """A call of a model begins, perhaps again after a failure: `part` is told from its start."""
        self._told.pop(part, None)

    async def step(self, name: str, part: str = "") -> None:
        """Tell the reader that a step of the run begins: a node, an agent, a task.

        Args:
            name: Its name.
            part: Names this one visit of it.
        """
        self.progress.begins(name)
        await self._tell({"name": name}, "step", part)

    async def tool(
        self, name: str, arguments: Any, result: Any = _NOT_DONE, *, part: str = ""
    ) -> None:
        """Tell the reader that a tool is called, or with a `result`, that it is done.

        Args:
            name: The tool's name.
            arguments: What it is called with, plain data.
            result: What it returned, plain data.
            part: Names this one call, such as the model's id of it.
        """
        told = {"name": name, "arguments": arguments}
        if result is _NOT_DONE:
            self.progress.calls(name)
        else:
            self.progress.called(name)
            told["result"] = result
            part = part and f"{part}/result"
        await self._tell(told, "tool", part)

    async def custom(self, payload: Any, part: str = "") -> None:
        """Send the reader what the user's code wrote to the stream itself.

        Args:
            payload: What it wrote, as plain data.
            part: Names this one writing.
        """
        await self._tell(payload, "custom", part)

    async def _tell(self, payload: Any, kind: str, part: str) -> None:
        if self.streams:
            await self._emit(payload, kind, {PART: part} if part else None)

    async def _emit(self, payload: Any, kind: str, headers: Mapping[str, str] | None) -> None:
        progress = self.progress
        progress.telling += 1
        try:
            waiting = self.agent._civitas_emit(payload, kind, headers)
            if waiting is not None:
                await waiting
        finally:
            progress.telling -= 1
            progress.moves("a chunk was sent")

    # What the headers of the reply say of the run. Its payload is what the framework returned, and nothing more.

    def used(
        self, requests: int, input_tokens: int, output_tokens: int, total_tokens: int | None = None
    ) -> None:
        """Report what the models used in the whole run.

        Args:
            requests: Calls of models.
            input_tokens: Tokens they read.
            output_tokens: Tokens they wrote.
            total_tokens: None for the sum of the two.
        """
        total = input_tokens + output_tokens if total_tokens is None else total_tokens
        self.progress.uses(requests, input_tokens, output_tokens, total)
        self.headers[USAGE] = usage_of(requests, input_tokens, output_tokens, total)

    def failures(self, failures: Sequence[tuple[str, str]]) -> None:
        """Report which tool calls failed and were shown to the model; nothing if none did.

        Args:
            failures: For each the name of the tool, and how the failure is described.
        """
        if failures:
            self.headers[FAILURES] = failures_of(failures)

    def reply(self, kind: str, payload: Any) -> Message:
        """The reply to the message.

        Args:
            kind: Its type.
            payload: Its payload, plain data.
        """
        message = self.message
        return new_message(
            kind,
            self.agent.name,
            message.reply_to or message.sender or "",
            encode(payload),
            correlation_id=message.id,
            conversation=self.conversation,
            headers=self.headers,
        )

    # Budgets. Every call of a model is reserved before it is made, by one of these, and then says what it used.

    @property
    def spending(self) -> Spending:
        """What it spends, and the budgets that this counts against."""
        return self.agent._civitas_running().spending()

    async def reserve(
        self, model: str, prompt: Any = None, longest: int | None = None
    ) -> Reservation:
        """Reserve a call of a model; it must not begin before this returns.

        Args:
            model: Name of the model.
            prompt: What it is asked: texts, in lists, dicts or messages with a `content`.
            longest: The most tokens that it may write; None if nothing says.

        Raises:
            BudgetExceeded: Less is left of a budget than it may need. The run ends with that, whatever is made of it.
        """
        with self._exceeding() as spending:
            return await spending.reserve(model, prompt, longest)

    def reserve_in_thread(
        self, model: str, prompt: Any = None, longest: int | None = None
    ) -> Reservation:
        """As `reserve`, for code that blocks a thread other than that of the agent's event loop."""
        with self._exceeding() as spending:
            return spending.reserve_in_thread(model, prompt, longest)

    def reserve_at_once(
        self, model: str, prompt: Any = None, longest: int | None = None
    ) -> Reservation:
        """As `reserve`, for code that blocks the agent's event loop."""
        with self._exceeding() as spending:
            return spending.reserve_at_once(model, prompt, longest)

    @contextmanager
    def _exceeding(self) -> Iterator[Spending]:
        try:
            yield self.spending
        except BudgetExceeded as error:
            self.exceeded = error
            raise

    # Durable runs.

    def call_name(self, to: str, payload: Any) -> str | None:
        """Name of the run that a call of the agent `to` begins, the same when this run makes the call again.

        None where that is not durable, or no code runs that is keyed.
        """
        if not self.durable:
            return None
        try:
            key = idempotency_key()
        except ConfigurationError:
            return None
        raw = encode(payload)
        first = call_name(key, to, raw, 0)
        number = self._called[first]
        self._called[first] += 1
        return call_name(key, to, raw, number) if number else first

    async def once(
        self, key: str, function: Callable[..., Any], *args: Any, note: CallNote | None = None
    ) -> Any:
        """Call `function(*args)`, sync or async; in a durable run, once however often the message is delivered.

        Meanwhile `idempotency_key()` is the same for each delivery.

        Args:
            key: Names the call within the run, the same each time: the n-th call of the model, the id of a tool call.
            function: Its result is plain data, where the run is durable.
            *args: For `function`.
            note: What it is, for whoever is asked about it where nobody knows what came of it; None for what may be
                done again.
        """
        with self.keyed(key, note.idempotency_key if note is not None else ""):
            if self.durable:
                result = await self.agent._civitas_running().step_keeper.step(
                    key, function, args, None, note
                )
                self.made.append(key)
                return result
            result = function(*args)
            return await result if inspect.isawaitable(result) else result

    @contextmanager
    def keyed(self, key: str, own: str = "") -> Iterator[None]:
        """Inside the block, `idempotency_key()` is `own`, or else that of the call `key`; `once` does the same."""
        token = _current_key.set((own or f"{self.message.id}:{key}", self.agent.key_of_step()))
        try:
            yield
        finally:
            _current_key.reset(token)


current_run: ContextVar[Run | None] = ContextVar("civitas_run", default=None)
"""The run that code belongs to; also in its threads and in the tasks it starts."""

_current_key: ContextVar[tuple[str, str | None] | None] = ContextVar("civitas_key", default=None)


def idempotency_key() -> str:
    """A text for an outside service, in code that an adapter runs once per message: a tool, a model, a node.

    It is the same each time the message is delivered, so that a call that was in flight when the process was killed
    can be recognized by the service when it is made again.

    Raises:
        ConfigurationError: No adapter runs this code.
    """
    keyed, run = _current_key.get(), current_run.get()
    step = run.agent.key_of_step() if run is not None else None  # perhaps of one within that call
    key = keyed[0] if keyed is not None and step in (None, keyed[1]) else step
    if key is None:
        raise ConfigurationError(
            "idempotency_key() is for tools, models and nodes that an adapter runs; in an agent's own handle, "
            "use self.idempotency_key(key)"
        )
    return key

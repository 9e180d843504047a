"""`FrameworkAgent`: an agent whose messages a framework handles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Unpack

from civitas.errors import CivitasError, ConfigurationError, PayloadError
from civitas.frameworks.call_notes import CallNotes
from civitas.frameworks.changed_code import ChangedCode
from civitas.frameworks.conversations import CONVERSATION, Record, key_of
from civitas.frameworks.execution import execute, span_of
from civitas.frameworks.interrupts import answers_in
from civitas.frameworks.judging import judged, tell_nobody
from civitas.frameworks.keywords import (
    AgentKeywords,
    check_keywords,
    describe,
    read_on_change,
    read_probes,
    read_transient,
)
from civitas.frameworks.outcomes import Outcome, outcome_of
from civitas.frameworks.plain_data import plain
from civitas.frameworks.remembering import Remembering
from civitas.frameworks.retries import Retries
from civitas.frameworks.run import Interrupted, Run
from civitas.frameworks.shortening import Shortening
from civitas.message import Message
from civitas.process import AgentProcess, AmbiguousCall, ErrorAction
from civitas.process.ambiguous import Ambiguity, CallProbe
from civitas.process.resources import Opened, Owner, Resources
from civitas.process.run_config import CONFIG
from civitas.telemetry import names

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from civitas.frameworks.shapes import Part
    from civitas.process.on_change import OnChange

__all__ = ["FrameworkAgent"]

_NO_PROBES: Mapping[str, CallProbe | str] = MappingProxyType({})


class FrameworkAgent(AgentProcess):
    """An agent whose messages a framework handles: a graph, an SDK agent, a crew.

    An adapter defines `run_framework`. What that returns becomes the reply, as plain data. A failure goes to whoever
    asked, who reads the name of the framework's own exception in `HandlerFailed.error_type`, and the agent lives on;
    only what says that the process is unsound crashes it, see `outcome`.

    Args:
        name: Address of the agent.
        subject: The framework's object, or a function without arguments that builds it. Never changed.
        durable: After an exception that may not come again, a crash or a kill the run goes on from what is finished,
            and no finished step is done twice. Implies `delivery="durable"`: after a kill of the whole program, too.
        transient: Which failures are tried again, up to `max_retries` times, after the time that the provider asks for
            or a growing one. None: those that `outcome` calls transient or unknown, where the delivery is
            `at_least_once`; a run that is not durable starts over. In a topology, ``module:function``.
        probes: By the name of a tool, what says whether a call of it was made that had begun and of whose result
            nothing is known: a function of that `AmbiguousCall`, sync or async, which returns `Happened(result)`, or
            None if it was not made. It is asked before the call is made again, or a human is asked. In a topology,
            ``module:function``.
        framework_spans: Whether what the framework does in a run becomes spans below the run's. None: unless an
            instrumentation of the framework that is on makes them already. False: never; the metrics stay.
        progress_timeout: Seconds that a run may go without a step, a token, or the begin or end of a call; then it is
            cancelled and counts as crashed: it is delivered again where the agent's `delivery` says so, and otherwise
            whoever asked is told. Models stream where they can, so that tokens are seen. None: no limit.
        on_change: What becomes of a durable run whose code has changed since it began: `refuse`, `go_on` or `restart`.
            None: it is refused if something is gone or has another structure, and goes on otherwise.
        **keywords: Those of `AgentProcess`; `cancel_on_timeout` is True here.
    """

    subject_keyword: ClassVar[str] = "subject"
    """The constructor's keyword that takes the framework's object."""
    operation: ClassVar[Literal["invoke_agent", "invoke_workflow"]] = "invoke_workflow"
    """How the GenAI conventions call one run; with the agent's name it names the run's span."""
    distributions: ClassVar[Sequence[str]] = ()
    """The distributions of the framework, by which instrumentations of OpenTelemetry name it."""
    takes_config: ClassVar[bool] = False
    """Whether a message may bring run options of the framework along, `Run.config`."""
    keeps_record: ClassVar[bool] = True
    """Whether conversations and open interrupts are kept here, as `Run.history` and `Interrupted.saved`.

    False for a framework that keeps both itself: its adapter defines `open_interrupts`.
    """
    outcomes: ClassVar[Mapping[str, Outcome]] = {}
    """What the framework's own exceptions mean, and their subclasses, by the full name of the class."""

    def __init__(
        self,
        name: str,
        *,
        subject: Any,
        durable: bool = False,
        transient: Callable[[Exception], bool] | str | None = None,
        probes: Mapping[str, CallProbe | str] = _NO_PROBES,
        framework_spans: bool | None = None,
        progress_timeout: float | None = None,
        on_change: OnChange | str | None = None,
        **keywords: Unpack[AgentKeywords],
    ) -> None:
        keywords.setdefault("cancel_on_timeout", True)
        check_keywords(type(self), name, keywords, durable, framework_spans, progress_timeout)
        super().__init__(name, **keywords)
        self.durable = durable
        self.framework_spans = framework_spans
        self.progress_timeout = progress_timeout
        self.on_change = read_on_change(type(self), name, on_change, durable=durable)
        self.parts: list[Part] | None = None
        """What it runs, once that is known; see `shape`."""
        self._transient = read_transient(type(self), name, transient)
        self._given = subject
        self._built: Opened | None = None
        self._refused: BaseException | None = None
        if (probes := read_probes(type(self), name, probes, durable=durable)) or (
            self._civitas_ambiguity is not None
        ):
            asks = self._civitas_ambiguity is not None
            self._civitas_ambiguity = Ambiguity(asks, probes, self.recorded)
        self._retries = Retries(self._civitas_options.max_retries)
        if not callable(subject) or self.accepts(subject):
            self._check(subject)

    # What an adapter writes.

    async def run_framework(self, run: Run) -> Any:
        """Run the framework on `run.payload`, or go on with the run that `run.answers` answer.

        Returns:
            Anything that `plain` turns into plain data, or `Interrupted`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define run_framework")

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is the framework's object and can be run."""
        raise NotImplementedError(f"{type(self).__name__} must define accepts")

    def expected(self) -> str:
        """What `accepts` accepts, in words for an error."""
        raise NotImplementedError(f"{type(self).__name__} must define expected")

    def plain(self, value: Any) -> Any:
        """What to send in place of `value`, a part of what the framework returned; by default itself."""
        return value

    def outcome(self, error: Exception) -> Outcome:
        """What a failure of a run means: by default, what `outcomes` and the table of all frameworks say."""
        return outcome_of(error, self.outcomes)

    async def open_interrupts(self, conversation: str) -> Sequence[Mapping[str, Any]]:
        """The questions that are open in `conversation`; only where the framework keeps them itself."""
        raise NotImplementedError(f"{type(self).__name__} must define open_interrupts")

    def check_answer(self, question: Mapping[str, Any], answer: Any) -> None:
        """`refuse` an answer that the framework cannot use; the question is still open then.

        Args:
            question: As it was asked, with its `id`.
            answer: What a ``resume`` brought.
        """

    def shortened(self, history: Any, longest: int) -> Any:
        """A history with its newest `longest` messages; by default, of a list its newest items.

        What must not stand alone, such as the result of a tool's call, goes with what it belongs to.
        """
        return history[-longest:] if isinstance(history, list) else history

    async def shorten_kept(self, conversation: str, longest: int) -> None:
        """Leave the newest messages of a conversation that no run uses, and all of one that waits for a human.

        Only for an adapter that keeps conversations itself; by default, what `shortened` leaves of the others.
        """
        if self.keeps_record:
            await Remembering(self).shorten(conversation, longest)

    def shape(self) -> Iterable[Part]:
        """What it runs, by name, once it has started: what a durable run relies on when it goes on later."""
        return ()

    async def began_with(self, run: Run) -> Mapping[str, Any] | None:
        """What is kept with the question that `run` answers, as `Run.begun`; None if it answers none."""
        return run.record.begun if run.record is not None and run.message.type == "resume" else None

    def recorded(self, call: AmbiguousCall, result: Any) -> Any:
        """What is recorded of a call of whose result a probe or a human told: by default, that.

        Raises:
            ValueError: It cannot be the result of such a call; says what can.
        """
        return result

    def key_of_step(self) -> str | None:
        """`idempotency_key()` in code that no `Run.once` calls: the same each time the framework runs that step."""
        return None

    def wind_down(self) -> None:
        """Asked to end while a run is on: let the framework stop at its next step, if it can.

        `run_framework` then raises `Unfinished`. By default the run is left to finish, and is cancelled after
        `shutdown_timeout`.
        """

    # What an adapter may use.

    @property
    def subject(self) -> Any:
        """The framework's object of this incarnation, from `on_start` on."""
        return self._built.value if self._built is not None else None

    @property
    def is_built(self) -> bool:
        """Whether a function builds the framework's object, so that each incarnation has a fresh one."""
        return not self.accepts(self._given)

    @property
    def opened_subject(self) -> Opened:
        """The framework's object of this incarnation, and how it is closed; from `on_start` on."""
        assert self._built is not None
        return self._built

    async def open_resource(self, function: Callable[[], Any], what: str) -> Opened:
        """Call `function`, and close what it returns when the incarnation ends: a context manager, or with a closer.

        Args:
            function: Without arguments, sync or async.
            what: What it opens, for an error.
        """
        return await self._civitas_running().resources.open(function, what)

    async def open_subject(self) -> Opened:
        """The framework's object: as it was given, or fresh from the function that builds it.

        What is still open when the incarnation ends is closed then, in the task of the incarnation.

        Raises:
            ConfigurationError: The function built something else.
        """
        return await self._civitas_build(self._civitas_running().resources)

    async def _civitas_build(self, resources: Resources) -> Opened:
        if self.accepts(self._given):
            return Opened(self._given)
        opened = await resources.open(self._given, f"{self.subject_keyword} of {self.name!r}")
        self._check(opened.value)
        return opened

    async def close_subject(self, opened: Opened) -> None:
        """Close what `open_subject` returned, before the incarnation ends."""
        await self._civitas_running().resources.close(opened)

    def _civitas_adopt(self, function: Callable[[], Any], built: Opened) -> None:
        """Run what `function` built, and let it build what comes after that."""
        self._given, self._built = function, built

    def refuse(self, path: str, problem: str) -> NoReturn:
        """Refuse the payload: whoever asked gets the error, the agent lives on.

        Args:
            path: Where in the payload, such as ``payload.inptu``.
            problem: What is wrong, and what is accepted.
        """
        self._civitas_refuse(PayloadError(path, problem, refused=True))

    def _civitas_refuse(self, error: CivitasError) -> NoReturn:
        self._refused = error
        raise error

    def passing_key(self, name: str) -> str:
        """A key in the StateStore for what is dropped when the message being handled is finished, as its steps are.

        Args:
            name: The same each time the message is delivered.
        """
        return self._civitas_running().step_keeper.steps().passing_key(name)

    def memory_key(self, conversation: str) -> str:
        """The key in the StateStore for what is kept of `conversation`.

        The same for all processes behind one name, such as those of a `ConversationPool`.
        """
        return key_of(self._civitas_family, conversation)

    def recorded_with(self) -> Mapping[str, dict[str, Any]]:
        """What is written, by its keys in the StateStore, with the first of what is kept of a durable run."""
        return self._civitas_running().step_keeper.steps().take_brought()

    async def answers_of(self, run: Run, record: Record | None = None) -> dict[str, Any]:
        """The answers that the payload of `run` gives to the open questions, by their ids.

        Raises:
            UnknownInterrupt: None is open, or not the one that is answered.
        """
        # In a durable run, what was answered stays answered: when the message is delivered again, the run may have
        # gone on already, and its questions be closed.
        answers: dict[str, Any] = await run.once("civitas:resume", answers_in, self, run, record)
        return answers

    @property
    def longest(self) -> int | None:
        """How many messages a conversation keeps; None for all. For an adapter that keeps conversations itself."""
        return self._civitas_running().node.retention.longest

    @property
    def call_notes(self) -> CallNotes:
        """For an adapter whose framework records the results of its calls itself: that they have begun."""
        return CallNotes(self)

    @property
    def node_name(self) -> str:
        """Name of the OS process that it runs in; ``root`` for the one that runs the supervision tree."""
        return self._civitas_running().node.name

    def lend_threads(self) -> ThreadPoolExecutor:
        """A pool of this OS process for code that blocks; it is shut down when the process ends."""
        return self._civitas_running().node.lend_threads()

    # The agent.

    async def _civitas_open(self, owner: Owner) -> AgentProcess:
        # One that cannot be built is a failed start, not a failed message.
        if self._built is None:
            self._built = await self._civitas_build(owner.resources)
        if self._civitas_node is not None and (longest := self.longest) is not None:
            await owner.resources.open(Shortening(self, longest).begin, "what shortens")
        return self

    def _civitas_owns(self, key: str) -> bool:
        return super()._civitas_owns(key) or key.startswith(CONVERSATION)

    async def handle(self, message: Message) -> Message | None:
        """Run the framework on the message's payload and reply with what it returns."""
        if CONFIG in message.headers and not self.takes_config:
            self.refuse(
                "config", f"a {type(self).__name__} takes none with a message; leave it out"
            )
        run = Run(self, message, message.payload, message.conversation, self.durable)
        self._civitas_running().now.follow(run.progress)
        memory = Remembering(self)
        async with memory.using(run.conversation):
            return await self._handle(run, memory)

    async def _handle(self, run: Run, memory: Remembering) -> Message:
        message = run.message
        record = await memory.recall(run)
        if record is not None and record.message == message.id and record.outcome is not None:
            # It ended well, and only its end was not heard of.
            kind, payload, run.headers = record.outcome
            run.progress.spent_before(record.spent)
            return run.reply(kind, payload)
        if self.durable:
            await ChangedCode(self, run).check()
            await self._civitas_running().step_keeper.steps().account_for(run.progress)
        if message.type == "resume" and not run.starts_over:
            run.answers = await self.answers_of(run, record)
        with span_of(run) as span:
            result = await execute(run, span)
            interrupted = isinstance(result, Interrupted)
            if interrupted:
                span.set_attribute(names.INTERRUPTED, True)
                payload = {"interrupts": plain(result.interrupts, self.plain)}
                outcome = ("interrupt", payload)
            else:
                outcome = ("reply", plain(result, self.plain))
            await memory.keep(run, outcome, result.saved if interrupted else None)
        return run.reply(*outcome)

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        """What `outcome` says: an answer, another try if that is safe, or a crash."""
        if error is self._refused:
            return ErrorAction.SKIP
        meaning, again = judged(self, error, self._transient)
        if again:
            in_time = self._civitas_options.cancel_on_timeout
            wait = self._retries.next(message, error, meaning, in_time=in_time)
            if wait is not None:
                self._civitas_running().now.progress_of(message).waits(wait)
                await asyncio.sleep(wait)  # giving up the run cancels it
                return ErrorAction.RETRY
        if meaning is Outcome.CRASH:
            return ErrorAction.ESCALATE
        if message.reply_to is None:
            tell_nobody(self, error, message)
        return ErrorAction.SKIP

    def _civitas_wind_down(self) -> None:
        self.wind_down()

    def _check(self, subject: Any) -> None:
        if not self.accepts(subject):
            raise ConfigurationError(
                f"{type(self).__name__}({self.name!r}): {self.subject_keyword} must be {self.expected()}, "
                f"or a function without arguments that builds one; got {describe(subject)}"
            )

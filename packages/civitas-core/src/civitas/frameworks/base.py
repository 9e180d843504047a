"""`FrameworkAgent`: an agent whose messages a framework handles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Unpack

from civitas.errors import ConfigurationError, PayloadError, UnknownInterrupt
from civitas.frameworks.keywords import AgentKeywords, check_keywords
from civitas.frameworks.plain import plain
from civitas.message import Message, encode, new_message
from civitas.process import AgentProcess, ErrorAction
from civitas.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from civitas.frameworks.spans import SpanTree

__all__ = ["FrameworkAgent", "Interrupted"]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What `run_framework` returns where a run waits for a human.

    Attributes:
        interrupts: For each question its `id` and its `value`, what is asked.
    """

    interrupts: Sequence[Mapping[str, Any]]


class FrameworkAgent(AgentProcess):
    """An agent whose messages a framework handles: a graph, an SDK agent, a crew.

    An adapter defines `run_framework`. What that returns becomes the reply, as plain data; the framework's exceptions
    go through unchanged, so that the agent crashes of them and whoever asked reads their name in
    `HandlerFailed.error_type`. A payload that was refused is the sender's mistake: the agent lives on.

    Args:
        name: Address of the agent.
        subject: The framework's object, or a function without arguments that builds it. Never changed.
        **keywords: Those of `AgentProcess`; `cancel_on_timeout` is True here.
    """

    subject_keyword: ClassVar[str] = "subject"
    """The constructor's keyword that takes the framework's object."""
    operation: ClassVar[Literal["invoke_agent", "invoke_workflow"]] = "invoke_workflow"
    """How the GenAI conventions call one run; with the agent's name it names the run's span."""

    spans: SpanTree | None = None
    """Where to put the spans of the run; None while nobody records it."""

    def __init__(self, name: str, *, subject: Any, **keywords: Unpack[AgentKeywords]) -> None:
        check_keywords(type(self), name, keywords)
        keywords.setdefault("cancel_on_timeout", True)
        super().__init__(name, **keywords)
        self._given = subject
        self._built: Any = None
        self._refused: PayloadError | UnknownInterrupt | None = None
        if not callable(subject) or self.accepts(subject):
            self._check(subject)

    # What an adapter writes.

    async def run_framework(self, payload: Any, message: Message) -> Any:
        """Run the framework on `payload`.

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

    # What an adapter may use.

    @property
    def subject(self) -> Any:
        """The framework's object of this incarnation."""
        if self._built is None:
            self._built = self.build()
        return self._built

    def build(self) -> Any:
        """The framework's object: as it was given, or fresh from the function that builds it.

        Raises:
            ConfigurationError: The function built something else.
        """
        if self.accepts(self._given):
            return self._given
        built = self._given()
        self._check(built)
        return built

    def refuse(self, path: str, problem: str) -> NoReturn:
        """Refuse the payload: whoever asked gets the error, the agent lives on.

        Args:
            path: Where in the payload, such as ``payload.inptu``.
            problem: What is wrong, and what is accepted.
        """
        self._refused = PayloadError(path, problem)
        raise self._refused

    # The agent.

    async def on_start(self) -> None:
        """Build the framework's object now: one that cannot be built is a failed start, not a failed message."""
        self.subject  # noqa: B018

    async def handle(self, message: Message) -> Message | None:
        """Run the framework on the message's payload and reply with what it returns."""
        if message.type == "resume":
            self._refused = UnknownInterrupt(f"{self.name!r} has no open interrupt to resume")
            raise self._refused
        with self._run_span(message) as span:
            result = await self._run(message, span)
            if isinstance(result, Interrupted):
                span.set_attribute(names.INTERRUPTED, True)
                return self._interrupt(message, result)
            return self.reply(plain(result, self.plain))

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        """A refused payload is answered and skipped; everything else lets the agent crash."""
        return ErrorAction.SKIP if error is self._refused else ErrorAction.ESCALATE

    async def _run(self, message: Message, span: Span) -> Any:
        if not span.is_recording():
            return await self.run_framework(message.payload, message)
        from civitas.frameworks.spans import SpanTree

        self.spans = spans = SpanTree(span)
        try:
            return await self.run_framework(message.payload, message)
        finally:
            self.spans = None
            spans.close()

    def _run_span(self, message: Message) -> AbstractContextManager[Span]:
        tracing = self._civitas_running().node.tracing
        make = tracing.agent_span if self.operation == "invoke_agent" else tracing.workflow_span
        return make(self.name, **{names.CONVERSATION: message.conversation})

    def _interrupt(self, message: Message, result: Interrupted) -> Message:
        return new_message(
            "interrupt",
            self.name,
            message.reply_to or message.sender or "",
            encode({"interrupts": plain(result.interrupts, self.plain)}),
            correlation_id=message.id,
            conversation=message.conversation or message.id,
        )

    def _check(self, subject: Any) -> None:
        if not self.accepts(subject):
            raise ConfigurationError(
                f"{type(self).__name__}({self.name!r}): {self.subject_keyword} is {self.expected()}, "
                f"or a function without arguments that builds one; got {describe(subject)}"
            )


def describe(value: object) -> str:
    """`value` in an error: a type by its name, text as it is."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return repr(value)
    kind = value if isinstance(value, type) else type(value)
    what = "the class " if isinstance(value, type) else "an object of type "
    return f"{what}{kind.__module__}.{kind.__qualname__}"

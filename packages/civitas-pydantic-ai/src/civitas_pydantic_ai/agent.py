"""`PydanticAIAgent`: an agent of Pydantic AI as an agent of Civitas."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from pydantic_ai import DeferredToolRequests, capture_run_messages
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import ReinjectSystemPrompt, UseThreadExecutor
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import infer_model

from civitas.errors import ConfigurationError
from civitas.frameworks import FrameworkAgent, FrameworkKeywords, Part, Run
from civitas.frameworks.telling_next import tell_next
from civitas.process import AmbiguousCall, ErrorAction
from civitas_pydantic_ai._context import Deps, OneRunsDeps
from civitas_pydantic_ai._humans import check_answer, interrupted, results_of, still_open
from civitas_pydantic_ai._memory import KeptMessages, closed, shortened
from civitas_pydantic_ai._once import RunCalls, as_answer, dump_result
from civitas_pydantic_ai._options import read_model, read_model_settings, read_usage_limits
from civitas_pydantic_ai._outcomes import OUTCOMES
from civitas_pydantic_ai._payload import NO_DEPS, Input, read_input
from civitas_pydantic_ai._shape import shape_of
from civitas_pydantic_ai._stream import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic_ai import AgentRunResult, ModelMessage, ModelSettings, UsageLimits
    from pydantic_ai.capabilities import AbstractCapability
    from pydantic_ai.models import Model

    from civitas.message import Message

__all__ = ["PydanticAIAgent"]

_LEFT = "The call was not made: nobody has answered whether it may be."
_CUT = "The call was not made: the run failed before."


@dataclass(frozen=True, eq=False)
class TriedRun:
    """One attempt at a message.

    Attributes:
        calls: What it called.
        memory: What is kept of its conversation.
        began: The messages of that.
        messages: Those that there are now.
        deps: What its tools get.
        instructions: What the payload said for it beside messages.
    """

    calls: RunCalls
    memory: KeptMessages
    began: Sequence[ModelMessage]
    messages: Sequence[ModelMessage]
    deps: OneRunsDeps
    instructions: list[str]

    @property
    def run(self) -> Run:
        """The run."""
        return self.calls.run

    async def failed(self, error: Exception) -> bool:
        """The run failed for good: tell its reader, and the next message about the calls that were made."""
        await self.calls.failed(error)
        if not self.calls.made or self.run.conversation is None:
            return False
        left = self.memory.after(self.began, closed(self.messages, self.calls.made, _CUT))
        left.failed = self.run.message.id, len(self.memory.items)
        left.given = self.given() if self.run.answers is not None else {}
        self.run.history = left.dump()
        return True

    def given(self) -> dict[str, Any]:
        """What the run needs when it goes on later, beside its messages."""
        words = {"instructions": self.instructions} if self.instructions else {}
        return {**self.deps.dump(), **words}


class PydanticAIAgent(FrameworkAgent):
    """Runs an agent of Pydantic AI: `{"input": text or a list of messages}` becomes `{"output": its output}`.

    A structured output (a pydantic model, a dataclass) arrives as a dict. A run that stops for tools that are deferred,
    such as those that need an approval, answers with a reply of type `interrupt`.

    Args:
        name: Address of the agent.
        agent: The `Agent`, or a function without arguments that builds it. Never changed.
        deps: What tools and instructions get as `deps`: a class or a function that makes them for each message,
            without arguments or with the message as its one; any other object is that of all messages. None: a payload
            may bring them along, as `{"input": ..., "deps": ...}`, in the form of the agent's `deps_type`.
        model: The model, or its name, in the place of the agent's own.
        model_settings: Pydantic AI's `ModelSettings`, or a function that makes them in a run.
        usage_limits: Pydantic AI's `UsageLimits` of each run, or its fields.
        **keywords: Those of `FrameworkAgent` and `AgentProcess`.

    If they are objects, a topology names them as ``module:name``.

    Raises:
        ConfigurationError: `agent` is not an agent of Pydantic AI, or a keyword does not fit.
    """

    subject_keyword = "agent"
    operation = "invoke_agent"
    distributions = ("pydantic-ai", "pydantic-ai-slim")
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        agent: AbstractAgent[Any, Any] | Callable[[], AbstractAgent[Any, Any]],
        deps: Any = None,
        model: Model | str | None = None,
        model_settings: ModelSettings | Callable[[Any], ModelSettings] | str | None = None,
        usage_limits: UsageLimits | Mapping[str, Any] | str | None = None,
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        where = f"{type(self).__name__}({name!r})"
        super().__init__(name, subject=agent, **keywords)
        self._deps = Deps(deps, where)
        self._model = read_model(model, where)
        self._model_settings = read_model_settings(model_settings, where)
        self._usage_limits = read_usage_limits(usage_limits, where)
        self._agent: AbstractAgent[Any, Any] | None = None
        self._may_defer = True
        self._attempt: TriedRun | None = None
        self._ending = False
        """Whether it was asked to end."""

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is an agent of Pydantic AI."""
        return isinstance(subject, AbstractAgent)

    def expected(self) -> str:
        """What `agent` may be."""
        return "a `pydantic_ai.Agent`"

    async def on_start(self) -> None:
        """Open the agent's model and toolsets, such as MCP servers, until the incarnation ends, however it does."""
        await super().on_start()
        # Pydantic AI notes in an agent that it is open, and the user's own is never changed.
        opened = await self.open_resource(
            lambda: copy.copy(self.subject), f"tools of {self.name!r}"
        )
        self._agent = opened.value
        if (given := self._model) is not None:
            model = await self.open_resource(lambda: infer_model(given), f"model of {self.name!r}")
            self._model = model.value
        elif self.subject.model is None and self.subject.root_capability.get_model() is None:
            raise ConfigurationError(
                f"the agent of {self.name!r} has no model. Give one to the Agent, or as model='openai:gpt-5.2'"
            )

    def wind_down(self) -> None:
        """Have a durable run end before its next model call; the next incarnation goes on with it."""
        self._ending = True

    def shape(self) -> Iterable[Part]:
        """The tools, the output and the words of the agent."""
        return shape_of(self.subject, self._model)

    def shortened(self, history: Any, longest: int) -> Any:
        """The newest turns, each from what a user said."""
        if "failed" in history:
            return history  # whoever is told what failed counts the items before it
        return {**history, "items": shortened(history.get("items", []), longest)}

    def recorded(self, call: AmbiguousCall, result: Any) -> Any:
        """As the calls of models and tools are recorded."""
        return as_answer(result) if call.kind == "model" else dump_result(result)

    def check_answer(self, question: Mapping[str, Any], answer: Any) -> None:
        """Refuse what is not an approval."""
        check_answer(question, answer, self.refuse)

    async def run_framework(self, run: Run) -> Any:
        """Run the agent, or go on with the run whose questions are answered."""
        self._attempt = None
        if run.answers and (open_ := still_open(run.saved, run.answers)) is not None:
            return open_
        memory = self._memory_of(run)
        history = memory.messages
        began = list(history)
        given = Input(None, [], [], NO_DEPS)
        options: dict[str, Any] = {}
        if run.answers:
            options["deferred_tool_results"] = results_of(run.saved, run.answers)
        elif not run.goes_on:
            given = read_input(run.payload, self.refuse)
            history = [*closed(history, {}, _LEFT), *given.messages]
        left = memory.given if run.answers is not None else {}
        kind = self.subject.deps_type
        deps = await self._deps.of(run.message, given.deps, kind, self.refuse, left)
        instructions = given.instructions or left.get("instructions", [])
        options |= {"deps": deps.value, "instructions": instructions or None}
        calls = RunCalls(run, lambda: self._ending, deps.kept)
        with capture_run_messages() as messages:
            self._attempt = TriedRun(calls, memory, began, messages, deps, instructions)
            result = await self._runs(calls, given.prompt, message_history=history, **options)
        usage, output = result.usage, result.output
        run.used(usage.requests, usage.input_tokens, usage.output_tokens)
        run.failures(calls.failures)
        asks = isinstance(output, DeferredToolRequests)
        if run.conversation is not None or asks:
            kept = memory.after(began, result.all_messages())
            kept.given = self._attempt.given() if asks else {}
            run.history = kept.dump()
        return interrupted(output) if asks else {"output": output}

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        """As of every adapter; where the run is not done again, the next one is told about the calls that it made."""
        action = await super().on_error(error, message)
        attempt, self._attempt = self._attempt, None
        await tell_next(self, attempt, error, message, action)
        return action

    async def _runs(self, calls: RunCalls, prompt: Any, **options: Any) -> AgentRunResult[Any]:
        own = self.subject.output_type
        outputs = list(own) if isinstance(own, (list, tuple)) else [own]
        if not self._may_defer or DeferredToolRequests in outputs:
            return await self._runs_as(calls, prompt, **options)
        deferring = [*outputs, DeferredToolRequests]
        try:
            return await self._runs_as(calls, prompt, output_type=deferring, **options)
        except UserError:
            if calls.began:
                raise
        # An agent that validates its output takes no other type of it: where its tools are to be deferred, its own
        # type says so. Otherwise this fails as well, with what is wrong.
        try:
            return await self._runs_as(calls, prompt, **options)
        finally:
            self._may_defer = not calls.began

    async def _runs_as(self, calls: RunCalls, prompt: Any, **options: Any) -> AgentRunResult[Any]:
        run, subject = calls.run, self._agent
        assert subject is not None
        return await subject.run(
            prompt,
            model=self._model,
            model_settings=self._model_settings,
            usage_limits=self._usage_limits,
            conversation_id=run.conversation,
            run_id=run.message.id,
            infer_name=False,
            capabilities=self._capabilities(calls),
            **options,
        )

    def _capabilities(self, calls: RunCalls) -> list[AbstractCapability[Any]]:
        """What the run has beside the agent's own: those of the agent come first."""
        own: set[type] = set()
        self.subject.root_capability.apply(lambda each: own.add(type(each)))
        name = self.subject.name or self.name
        found: list[AbstractCapability[Any]] = [Watched(calls, name)]
        if UseThreadExecutor not in own:
            found.append(UseThreadExecutor(self.lend_threads()))
        if ReinjectSystemPrompt not in own:
            found.append(ReinjectSystemPrompt())
        return found

    def _memory_of(self, run: Run) -> KeptMessages:
        """What is kept of the conversation; nothing of it where the payload holds all of that."""
        return (
            KeptMessages() if run.whole_history else KeptMessages.load(run.history, run.message.id)
        )

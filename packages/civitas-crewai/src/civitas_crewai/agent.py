"""`CrewAIAgent`: a crew as an agent."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Unpack

from crewai import Crew
from crewai.core.providers.human_input import set_provider
from crewai.hooks.dispatch import InterceptionPoint, scoped_hooks
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)

from civitas.errors import ConfigurationError
from civitas.frameworks import (
    FrameworkAgent,
    FrameworkKeywords,
    Interrupted,
    Outcome,
    Part,
    Run,
)
from civitas.process import AmbiguousCall
from civitas.process.resources import Opened
from civitas_crewai._callbacks import with_callbacks
from civitas_crewai._humans import Answers
from civitas_crewai._memory import HISTORY, as_text, earlier_runs, remembering, with_run
from civitas_crewai._outcomes import OUTCOMES, ends_badly
from civitas_crewai._packing import recorded_call
from civitas_crewai._passing import Pass
from civitas_crewai._payload import (
    Unfit,
    check_inputs,
    noting,
    reply_of,
    text_of,
    told,
)
from civitas_crewai._shape import shape_of
from civitas_crewai._side_effects import after_import
from civitas_crewai._unsupported import refuse_foreign
from civitas_crewai._watched import WatchedCrew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["CrewAIAgent"]

after_import()


class CrewAIAgent(FrameworkAgent):
    """Runs a crew: the payload is its kickoff inputs, the reply `{"output", "tasks": [{"name", "raw"}, ...]}`.

    `output` is the crew's text, its structured output as a dict, or what its last callback after the kickoff returns.
    The headers `civitas-usage` and `civitas-tool-failures` tell what its models used, and which tools failed.

    Every run has a crew of its own: a fresh one from `crew`, or a copy of it.

    CrewAI tries a failing agent again by itself, `max_retry_limit` times (2 by default): set that to 0 on the
    crew's agents to hear of a failure at once.

    Args:
        name: Address of the agent.
        crew: A function without arguments that builds a `Crew`, a `@CrewBase` class, or a `Crew` that has not run yet.
            Never changed.
        **keywords: Those of `FrameworkAgent` and `AgentProcess`.

    Raises:
        ConfigurationError: `crew` is not a crew, or one that ran with other inputs before, or a keyword does not fit.
    """

    subject_keyword = "crew"
    operation = "invoke_workflow"
    distributions = ("crewai",)
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        crew: Crew | Callable[[], Any],
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=crew, **keywords)
        self._next: tuple[Opened, Crew] | None = None
        self._parts: list[Part] | None = None

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is a crew, or an instance of a `@CrewBase` class."""
        refuse_foreign(subject, f"CrewAIAgent({self.name!r})")
        return isinstance(subject, Crew) or getattr(type(subject), "is_crew_class", False)

    def expected(self) -> str:
        """What `crew` may be."""
        return "a `crewai.Crew`, a `@CrewBase` class"

    def _fresh(self, opened: Opened) -> tuple[Opened, Crew]:
        """A crew that has not run yet, and what has to be closed after it."""
        subject = opened.value
        if isinstance(subject, Crew):
            return opened, subject if self.is_built else self._copy(subject)
        return opened, subject.crew()

    async def on_start(self) -> None:
        """Build the first crew now: one that cannot be built is a failed start, not a failed message."""
        self._next = self._fresh(self.opened_subject)
        if self.durable:  # now: its words are templates before it runs
            self._parts = list(shape_of(self._next[1]))

    def shape(self) -> Iterable[Part]:
        """The agents, tasks and tools of the crew, with their words."""
        if self._parts is None:  # it has not started, and is only looked at
            self._parts = list(shape_of(self._fresh(self.opened_subject)[1]))
        return self._parts

    async def run_framework(self, run: Run) -> Any:
        """Run a crew of its own for this message."""
        ready, self._next = self._next, None
        opened, crew = ready or self._fresh(await self.open_subject())
        try:
            return await self._run_crew(run, crew)
        finally:
            await self.close_subject(opened)

    async def _run_crew(self, run: Run, crew: Crew) -> Any:
        """Run a crew; or again, for the answer to a question, up to the next one."""
        way = Pass(run, may_ask=any(task.human_input for task in crew.tasks))
        payload = way.payload
        try:
            check_inputs(crew, payload, complete=not crew.before_kickoff_callbacks)
        except Unfit as unfit:
            self.refuse(unfit.path, unfit.problem)
        text = as_text(earlier_runs(run.history))
        done: list[Any] = []

        async def kickoff() -> Any:
            set_provider(Answers(crew, way.name, way.answers))
            with WatchedCrew(crew, way.calls, way.voice, keyed=run.durable) as taps:
                with_callbacks(taps, crew, done)
                hooks = [noting(crew, run.progress), taps.begins, remembering(crew, text)]
                with scoped_hooks({InterceptionPoint.PRE_STEP: hooks}), way.watched(crew):
                    return await crew.akickoff(_inputs(crew, payload, text))

        try:
            result = await way.go(kickoff, self.lend_threads(), f"civitas-crew-{self.name}")
        except Unfit as unfit:
            self.refuse(unfit.path, unfit.problem)
        except SystemExit as ended:
            # So CrewAI ends if a model's window is full and `respect_context_window` is off.
            if "Context length exceeded" not in str(ended):
                raise
            raise LLMContextLengthExceededError(str(ended)) from ended
        if isinstance(result, Interrupted):
            return result
        if run.conversation is not None:
            run.history = with_run(run.history, told(payload), text_of(result))
        return reply_of(crew, done[-1], result, run)

    def recorded(self, call: AmbiguousCall, result: Any) -> Any:
        """As the calls of models and tools are recorded."""
        return recorded_call(call, result)

    def outcome(self, error: Exception) -> Outcome:
        """What a failure means; CrewAI has one class for many things, and says in words which it is."""
        return Outcome.ANSWER if ends_badly(error) else super().outcome(error)

    def check_answer(self, question: Mapping[str, Any], answer: Any) -> None:
        """Refuse an answer that is not text."""
        if not isinstance(answer, str):
            self.refuse(
                "payload.value",
                f"the answer to {question['id']!r} must be text: feedback for another draft, or '' to accept; "
                f"got {type(answer).__name__}",
            )

    def _copy(self, template: Crew) -> Crew:
        for task in template.tasks:
            if task._original_description not in (None, task.description):
                raise ConfigurationError(
                    f"CrewAIAgent({self.name!r}): this crew ran before, and CrewAI keeps the inputs of that run in it; "
                    "give a function that builds it instead"
                )
        crew = template.copy()
        # CrewAI looks for a copied task's agent by its role, and takes the first where two have the same.
        for original, task in zip(template.tasks, crew.tasks, strict=True):
            for agent, copied in zip(template.agents, crew.agents, strict=True):
                if agent is original.agent and task.agent is not copied:
                    task.agent, task.tools = copied, list(original.tools or ())
        return crew


def _inputs(crew: Crew, payload: dict[str, Any], text: str) -> dict[str, Any]:
    # The crew's own, as a callback may change them, and the run may be gone through again.
    inputs = copy.deepcopy(payload)
    if HISTORY not in inputs and HISTORY in crew.fetch_inputs():
        inputs[HISTORY] = text
    return inputs

"""`CrewAIAgent`: a crew as an agent."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Unpack, cast

from crewai import Crew, CrewOutput
from crewai.core.providers.human_input import set_provider
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)

from civitas.errors import ConfigurationError
from civitas.frameworks import FrameworkAgent, FrameworkKeywords, Interrupted, Outcome, Run
from civitas_crewai._calls import Calls
from civitas_crewai._history import HISTORY, as_text, remembering, with_run
from civitas_crewai._humans import Answers, Asked
from civitas_crewai._outcomes import OUTCOMES, ends_badly
from civitas_crewai._quiet import after_import
from civitas_crewai._stream import Voice
from civitas_crewai._taps import Taps
from civitas_crewai._thread import Bridge, run_apart
from civitas_crewai.tools import current_bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CrewAIAgent"]

after_import()

_PLACEHOLDER = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")


class CrewAIAgent(FrameworkAgent):
    """Runs a crew: the payload is its kickoff inputs, the reply `{"output", "tasks": [{"name", "raw"}, ...]}`.

    `output` is the crew's text, or its structured output as a dict. Every run has a crew of its own: a fresh one from
    `crew`, or a copy of it.

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
    outcomes = OUTCOMES

    def __init__(
        self,
        name: str,
        *,
        crew: Crew | Callable[[], Any],
        **keywords: Unpack[FrameworkKeywords],
    ) -> None:
        super().__init__(name, subject=crew, **keywords)
        self._next: Crew | None = None

    def accepts(self, subject: Any) -> bool:
        """Whether `subject` is a crew, or an instance of a `@CrewBase` class."""
        return isinstance(subject, Crew) or getattr(type(subject), "is_crew_class", False)

    def expected(self) -> str:
        """What `crew` may be."""
        return "a `crewai.Crew`, a `@CrewBase` class"

    def build(self) -> Crew:
        """A crew that nobody ran yet."""
        subject = super().build()
        if isinstance(subject, Crew):
            return self._copy(subject) if subject is self._given else subject
        crew: Crew = subject.crew()
        return crew

    async def on_start(self) -> None:
        """Build the first crew now: one that cannot be built is a failed start, not a failed message."""
        self._next = self.build()

    async def run_framework(self, run: Run) -> Any:
        """Run a crew of its own for this message; or again, for the answer to a question, up to the next one."""
        crew, self._next = self._next or self.build(), None
        saved: dict[str, Any] = run.saved if run.answers is not None else {}
        payload = saved.get("payload", run.payload)
        self._check_inputs(crew, payload)
        asks = any(task.human_input for task in crew.tasks)
        bridge = Bridge(asyncio.get_running_loop())
        # A run that goes on is run again from its start, with what it called kept, and the answers there.
        calls = Calls(run, bridge, dict(saved.get("calls", {})) if asks else None)
        told = set(saved.get("told", ()))
        name = saved.get("run", run.message.id)
        answers = {**saved.get("answers", {}), **self._texts(run.answers)}
        voice = Voice(run, bridge, told) if run.streams else None
        text = as_text(run.history)

        async def kickoff() -> CrewOutput:
            current_bridge.set(bridge)
            if asks:
                set_provider(Answers(crew, name, answers))
            with ExitStack() as stack:
                stack.enter_context(Taps(crew, calls, voice, keyed=run.durable))
                stack.enter_context(remembering(crew, text))
                if run.spans is not None:
                    from civitas_crewai._spans import CrewSpans

                    stack.enter_context(CrewSpans(run.spans, bridge))
                if voice is not None:
                    stack.enter_context(voice.listening(crew))
                return cast(CrewOutput, await crew.akickoff(_inputs(crew, payload, text)))

        threads = self._civitas_running().node.lend_threads()
        try:
            output = await run_apart(kickoff, bridge, threads, f"civitas-crew-{self.name}")
        except Asked as asked:
            if run.spans is not None:
                run.spans.close(cancelled=False)
            return Interrupted(
                [{"id": asked.id, "value": {"draft": asked.draft}}],
                {
                    "run": name,
                    "payload": payload,
                    "calls": calls.made,
                    "answers": answers,
                    "told": sorted(told),
                },
            )
        except SystemExit as ended:
            # So CrewAI ends where a model's window is full and `respect_context_window` is off.
            if "Context length exceeded" not in str(ended):
                raise
            raise LLMContextLengthExceededError(str(ended)) from ended
        if run.conversation is not None:
            run.history = with_run(run.history, payload, output.raw)
        return {
            "output": output.pydantic or output.json_dict or output.raw,
            "tasks": [{"name": task.name, "raw": task.raw} for task in output.tasks_output],
        }

    def outcome(self, error: Exception) -> Outcome:
        """What a failure means; CrewAI has one class for many things, and says in words which it is."""
        return Outcome.ANSWER if ends_badly(error) else super().outcome(error)

    def _texts(self, answers: Mapping[str, Any] | None) -> dict[str, str]:
        for id_, answer in (answers or {}).items():
            if not isinstance(answer, str):
                self.refuse(
                    "payload.value",
                    f"the answer to {id_!r} is text: feedback for another draft, or '' to accept; "
                    f"got {type(answer).__name__}",
                )
        return dict(answers or {})

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

    def _check_inputs(self, crew: Crew, payload: Any) -> None:
        wanted = sorted(
            word for word in crew.fetch_inputs() - {HISTORY} if _PLACEHOLDER.fullmatch(word)
        )
        takes = ", ".join(map(repr, wanted)) or "any inputs"
        if not isinstance(payload, dict):
            self.refuse(
                "payload",
                f"a dict of kickoff inputs is needed, got {type(payload).__name__}; the crew takes {takes}",
            )
        missing = [word for word in wanted if word not in payload]
        # What runs before the kickoff may add inputs of its own.
        if missing and not crew.before_kickoff_callbacks:
            have = ", ".join(map(repr, payload)) or "nothing"
            self.refuse(
                f"payload.{missing[0]}",
                f"it is missing; the crew takes {takes}, the payload has {have}",
            )


def _inputs(crew: Crew, payload: dict[str, Any], text: str) -> dict[str, Any]:
    if HISTORY in payload or HISTORY not in crew.fetch_inputs():
        return payload
    return {**payload, HISTORY: text}

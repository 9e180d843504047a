"""`CrewAIAgent`: a crew as an agent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Unpack

from crewai import Crew, CrewOutput

from civitas.errors import ConfigurationError
from civitas.frameworks import FrameworkAgent, FrameworkKeywords, Run
from civitas_crewai._quiet import after_import

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CrewAIAgent"]

after_import()

_PLACEHOLDER = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")


class CrewAIAgent(FrameworkAgent):
    """Runs a crew: the payload is its kickoff inputs, the reply `{"output", "tasks": [{"name", "raw"}, ...]}`.

    `output` is the crew's text, or its structured output as a dict. Every run has a crew of its own: a fresh one from
    `crew`, or a copy of it.

    CrewAI tries a failing agent again by itself, `max_retry_limit` times (2 by default): set that to 0 on the
    crew's agents to leave failures to the supervisor.

    Args:
        name: Address of the agent.
        crew: A function without arguments that builds a `Crew`, a `@CrewBase` class, or a `Crew` that has not run yet.
            Never changed.
        **keywords: Those of `AgentProcess`.

    Raises:
        ConfigurationError: `crew` is not a crew, or one that ran with other inputs before, or a keyword does not fit.
    """

    subject_keyword = "crew"
    operation = "invoke_workflow"

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
        """Run a crew of its own for this message."""
        crew, self._next = self._next or self.build(), None
        self._check_inputs(crew, run.payload)
        if run.spans is None:
            output = await _kickoff(crew, run.payload)
        else:
            from civitas_crewai._spans import CrewSpans

            with CrewSpans(run.spans):
                output = await _kickoff(crew, run.payload)
        return {
            "output": output.pydantic or output.json_dict or output.raw,
            "tasks": [{"name": task.name, "raw": task.raw} for task in output.tasks_output],
        }

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
        wanted = sorted(word for word in crew.fetch_inputs() if _PLACEHOLDER.fullmatch(word))
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


async def _kickoff(crew: Crew, inputs: dict[str, Any]) -> CrewOutput:
    output = await crew.akickoff(inputs=inputs)
    if isinstance(output, CrewOutput):
        return output
    # The crew streams: it runs while it is read.
    async for _ in output:
        pass
    return output.result

"""The crews and flows that methods of a flow run: what crews call is made once, and what they ask is asked."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from crewai import Crew
from crewai.core.providers.human_input import set_provider
from crewai.flow.flow import Flow
from crewai.hooks.dispatch import InterceptionPoint

from civitas_crewai._humans import Answers
from civitas_crewai._once import scope
from civitas_crewai._watched import WatchedCrew

if TYPE_CHECKING:
    from collections.abc import Callable

    from civitas.frameworks import Run
    from civitas_crewai._flow_humans import FlowHumans
    from civitas_crewai._once import MadeCalls
    from civitas_crewai._stream import Voice

__all__ = ["FlowCrews"]


class FlowCrews:
    """Watches each crew from its kickoff to its end; inside the `with` block.

    A crew in a tool of another one is the tool's.

    Args:
        calls: Makes the calls.
        voice: Reports them to the reader; None if there is none.
        name: Names the run in the ids of questions.
        answers: To the questions of tasks, by their ids.
        humans: Answers for flows that methods run.
        run: The run.
    """

    def __init__(
        self,
        calls: MadeCalls,
        voice: Voice | None,
        name: str,
        answers: dict[str, str],
        humans: FlowHumans,
        run: Run,
    ) -> None:
        self._humans = humans
        self._calls = calls
        self._voice = voice
        self._name = name
        self._answers = answers
        self._run = run
        self._running: dict[int, tuple[WatchedCrew, ExitStack]] = {}
        self._numbers: Counter[str | None] = Counter()

    @property
    def hooks(self) -> dict[InterceptionPoint, list[Callable[[Any], None]]]:
        """Hooks of CrewAI's."""
        return {
            InterceptionPoint.EXECUTION_START: [self._begins],
            InterceptionPoint.EXECUTION_END: [self._ends],
            InterceptionPoint.PRE_STEP: [self._task_begins],
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for _, stack in self._running.values():
            stack.close()

    def _begins(self, context: Any) -> None:
        crew, flow = getattr(context, "crew", None), getattr(context, "flow", None)
        inside = scope.get()
        if inside is not None and isinstance(flow, Flow) and not _is_crewais_own(flow):
            self._humans.answer(flow, inside=True)
        if not isinstance(crew, Crew) or inside is None or id(crew) in self._running:
            return
        self._numbers[inside] += 1
        place = f"{self._name}/{inside}/crew.{self._numbers[inside]}"
        set_provider(Answers(crew, place, self._answers))
        stack = ExitStack()
        taps = WatchedCrew(crew, self._calls, self._voice, keyed=self._run.durable)
        self._running[id(crew)] = stack.enter_context(taps), stack

    def _ends(self, context: Any) -> None:
        _, stack = self._running.pop(id(getattr(context, "crew", None)), (None, None))
        if stack is not None:
            stack.close()

    def _task_begins(self, step: Any) -> None:
        crew = getattr(getattr(step, "agent", None), "crew", None)
        if (found := self._running.get(id(crew))) is not None:
            found[0].begins(step)


def _is_crewais_own(flow: Flow[Any]) -> bool:
    """CrewAI runs its memory and its agents by flows, too."""
    return type(flow).__module__.split(".")[0] == "crewai"

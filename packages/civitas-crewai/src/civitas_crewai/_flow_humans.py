"""Humans in a flow: `@human_feedback`, `Flow.ask`, and the answers."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from typing import TYPE_CHECKING, Any

from crewai.flow.async_feedback.types import HumanFeedbackPending

from civitas.errors import PayloadError
from civitas.frameworks import plain
from civitas_crewai._humans import Asked
from civitas_crewai._once import scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from crewai.flow.flow import Flow

    from civitas_crewai._flow_steps import FlowSteps
    from civitas_crewai._models import Models

__all__ = ["FlowHumans"]


class FlowHumans:
    """Gives a flow the answers that are there, in place of the terminal, and asks for the others.

    Args:
        run: Names the run in the ids of its questions, the same when it goes on.
        answers: By the id of the question.
        steps: Those of the run.
        models: What a model is asked by, which sorts an answer among the outcomes.
    """

    def __init__(
        self, run: str, answers: Mapping[str, str], steps: FlowSteps, models: Models
    ) -> None:
        self._run = run
        self._answers = answers
        self._steps = steps
        self._models = models
        self._numbers: Counter[str] = Counter()

    def answer(self, flow: Flow[Any], *, inside: bool = False) -> None:
        """Answer for a flow.

        Args:
            flow: Of this run alone.
            inside: Whether a method of the run's flow runs it. That begins again when an answer is there.
        """
        own = flow.__dict__
        given, collapse = flow._resolve_feedback_provider, flow._collapse_to_outcome
        own["_resolve_feedback_provider"] = lambda definition: _Feedback(
            self, given(definition), inside
        )
        own["_collapse_to_outcome"] = self._sorting(collapse)
        if flow.input_provider is None:
            own["input_provider"] = self

    def request_input(self, message: str, flow: Any, metadata: Any = None) -> str:
        """The answer to `Flow.ask`. Its method begins again when that is there."""
        id_ = self._id(f"{scope.get()}/ask")
        if id_ not in self._answers:
            raise Asked({"id": id_, "value": {"message": message}})
        return self._answers[id_]

    async def feedback(self, context: Any, flow: Any, given: Any, inside: bool) -> str:
        """The answer to a method's `@human_feedback`; `given` is who asks on the flow's side, if anybody."""
        place = f"{context.method_name}/feedback"
        id_ = self._id(f"{scope.get()}/{place}" if inside else place)
        try:
            if id_ in self._answers:
                return self._answers[id_]
            if given is not None:
                try:
                    said = await asyncio.to_thread(given.request_feedback, context, flow)
                    return str(await said if inspect.isawaitable(said) else said)
                except HumanFeedbackPending:
                    pass  # it has let somebody know, and the answer comes later
            value: dict[str, Any] = {
                "method": str(context.method_name),
                "message": context.message,
                "draft": _shown(context.method_output),
            }
            if context.emit:
                value["outcomes"] = list(context.emit)
        finally:
            if not inside:
                self._steps.leave()
        question = {"id": id_, "value": value}
        if inside:
            raise Asked(question)
        return await self._steps.ask(question)

    def _id(self, place: str) -> str:
        self._numbers[place] += 1
        return f"{self._run}/{place}.{self._numbers[place]}"

    def _sorting(self, collapse: Callable[..., str]) -> Callable[..., str]:
        def sort(feedback: str, outcomes: Sequence[str], llm: Any) -> str:
            for each in outcomes:  # no model is needed for that
                if feedback.strip().lower() == each.lower():
                    return each
            return collapse(
                feedback=feedback, outcomes=outcomes, llm=self._models.tap(llm, tells=False)
            )

        return sort


class _Feedback:
    def __init__(self, humans: FlowHumans, given: Any, inside: bool) -> None:
        self._humans = humans
        self._given = given
        self._inside = inside

    async def request_feedback(self, context: Any, flow: Any) -> str:
        return await self._humans.feedback(context, flow, self._given, self._inside)


def _shown(draft: Any) -> Any:
    try:
        return plain(draft)
    except PayloadError:
        return str(draft)

"""Humans in the loop: the question of a task with `human_input`, and its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crewai.core.providers.human_input import SyncHumanInputProvider

if TYPE_CHECKING:
    from crewai import Crew

__all__ = ["Answers", "Asked", "NobodyToAsk"]


class Asked(BaseException):
    """A human is asked: the run ends here, and goes on when the answer is there.

    No `Exception`, as CrewAI would report a failure, or try again.

    Args:
        questions: Each with its `id`, and a `value` with what the human is to judge.
    """

    def __init__(self, *questions: dict[str, Any]) -> None:
        super().__init__(*(each["id"] for each in questions))
        self.questions = questions


class NobodyToAsk(BaseException):
    """A crew in a tool asks a human.

    No `Exception`, as CrewAI would tell it to the model of the outer crew, which cannot fix it.

    Args:
        task: The task that asks, or its description.
    """

    def __init__(self, task: str) -> None:
        super().__init__(
            f"the task {task!r} of a crew inside a tool has human_input=True, and its question cannot leave the "
            "tool; ask in a task of the agent's own crew, or make the inner crew an agent and ask that one by name"
        )


class Answers(SyncHumanInputProvider):
    """Gives a crew the answers that are there, in place of the terminal.

    Args:
        crew: The crew.
        run: Names the run in the ids of its questions, the same when it goes on.
        answers: By the id of the question; an empty text accepts.
    """

    def __init__(self, crew: Crew, run: str, answers: dict[str, str]) -> None:
        self._numbers = {id(task): number for number, task in enumerate(crew.tasks)}
        self._run = run
        self._answers = answers
        self._asked: dict[int, int] = {}

    def handle_feedback(self, formatted_answer: Any, context: Any) -> Any:
        """Ask about an agent's answer; improve it, and ask again, until it is accepted."""
        while (said := self._answer(formatted_answer, context)).strip():
            context.messages.append(context._format_feedback_message(said))
            formatted_answer = context._invoke_loop()
        context.ask_for_human_input = False
        return formatted_answer

    async def handle_feedback_async(self, formatted_answer: Any, context: Any) -> Any:
        """As `handle_feedback`."""
        while (said := self._answer(formatted_answer, context)).strip():
            context.messages.append(context._format_feedback_message(said))
            formatted_answer = await context._ainvoke_loop()
        context.ask_for_human_input = False
        return formatted_answer

    def _answer(self, draft: Any, context: Any) -> str:
        number = self._numbers.get(id(context.task))
        if number is None:
            task = context.task
            raise NobodyToAsk((task.name or task.description[:60]) if task else "")
        self._asked[number] = self._asked.get(number, 0) + 1
        id_ = f"{self._run}/{number}.{self._asked[number]}"
        if id_ not in self._answers:
            raise Asked({"id": id_, "value": {"draft": self._get_output_string(draft)}})
        return self._answers[id_]

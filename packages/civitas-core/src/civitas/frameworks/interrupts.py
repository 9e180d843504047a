"""The answers of a human to the questions that a run of a framework asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from civitas.errors import CivitasError, UnknownInterrupt
from civitas.process.resuming import read_answers

if TYPE_CHECKING:
    from civitas.frameworks.conversations import Record
    from civitas.frameworks.run import Run

__all__ = ["answers_in"]


class AskingAgent(Protocol):
    """A `FrameworkAgent`, as whoever reads the answers to its questions sees it."""

    name: str

    async def open_interrupts(self, conversation: str) -> Sequence[Mapping[str, Any]]:
        """The questions that are open, where the framework keeps them."""

    def check_answer(self, question: Mapping[str, Any], answer: Any) -> None:
        """Refuse an answer that the framework cannot use."""

    def refuse(self, path: str, problem: str) -> NoReturn:
        """Refuse the payload."""

    def _civitas_refuse(self, error: CivitasError) -> NoReturn: ...


async def answers_in(agent: AskingAgent, run: Run, record: Record | None) -> dict[str, Any]:
    """The answers that the payload of `run` gives to the open questions, by their ids; none if it repeats used ones.

    Args:
        agent: The agent.
        run: The run.
        record: What is kept of its conversation; None where the framework keeps it.

    Raises:
        UnknownInterrupt: None is open, or not the one that is answered.
    """
    open_: Sequence[Mapping[str, Any]] = ()
    if record is not None:
        open_ = record.interrupts or ()
        if record.answered is not None and _repeats(agent, run, record.answered):
            return {}
    elif run.conversation is not None:
        open_ = await agent.open_interrupts(run.conversation)
    try:
        answers = read_answers(agent.name, run.conversation, run.payload, open_, agent.refuse)
    except UnknownInterrupt as unknown:
        agent._civitas_refuse(unknown)
    for each in open_:
        if each["id"] in answers:
            agent.check_answer(each, answers[each["id"]])
    return answers


def _repeats(agent: AskingAgent, run: Run, answered: Mapping[str, Any]) -> bool:
    """Whether `run` is told the answers again that an earlier run failed behind; any other comes too late."""

    def refuse(path: str, problem: str) -> NoReturn:
        raise UnknownInterrupt(agent.name, problem)

    try:
        told = read_answers(
            agent.name, run.conversation, run.payload, answered["questions"], refuse
        )
    except UnknownInterrupt:
        return False
    return bool(told == answered["answers"])

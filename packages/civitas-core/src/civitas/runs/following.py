"""From a run that asked a human to the one that brought the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from civitas.runs.info import RunInfo, RunStatus
from civitas.runs.records import AcceptedRun, EndedRun

__all__ = ["Talk", "followed", "talk_of"]

Talk: TypeAlias = tuple[str, str | None]
"""An agent, or a pool, and a conversation with it."""

_GOES_ON = (RunStatus.DONE, RunStatus.WAITING)
_REFUSED = ("UnknownInterrupt", "PayloadError", "RunChanged")
"""What an agent refuses an answer with, so that the question stays open."""


def talk_of(run: RunInfo | AcceptedRun) -> Talk:
    """The conversation that a run belongs to."""
    return run.agent.partition("/")[0], run.conversation


def followed(asked: EndedRun, later: Iterable[EndedRun]) -> tuple[EndedRun, bool]:
    """The run that says what became of one that asked a human.

    It is the `resume` that answered the question, or the one that answered its question in turn; `asked` itself as long
    as nobody has. An answer that was refused, or that nobody waited for, leaves the question open.

    Args:
        asked: A run whose answer is a question.
        later: The runs that ended behind it, in that order.

    Returns:
        It, and whether a later message of the conversation has left its question behind.
    """
    at, talk = asked, talk_of(asked.info)
    for each in later:
        if at.info.status is RunStatus.DONE:
            break
        if talk_of(each.info) != talk:
            continue
        if each.info.type != "resume":
            if each.info.status in _GOES_ON:
                return at, at.info.status is RunStatus.WAITING
        elif each.info.status in _GOES_ON or _has_failed(each):
            at = each
    return at, False


def _has_failed(answer: EndedRun) -> bool:
    """Whether the agent went on with an answer, and failed."""
    if answer.info.status is not RunStatus.FAILED or answer.failure is None:
        return False
    kind = answer.failure["type"]
    if kind == "HandlerFailed":
        kind = answer.failure.get("facts", {}).get("error_type", kind)
    return kind not in _REFUSED

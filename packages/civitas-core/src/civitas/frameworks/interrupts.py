"""The answer of a human to a run that waits for one: from the payload of a ``resume`` to answers by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from civitas.errors import CivitasError, UnknownInterrupt

if TYPE_CHECKING:
    from civitas.frameworks.conversations import Record
    from civitas.frameworks.run import Run

__all__ = ["answers_in", "read_answers"]

_TAKES = 'a resume takes {"value": answer}, with "id" where several are open, or {"values": {id: answer}}'


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
    """The answers that the payload of `run` gives to the open questions, by their ids.

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


def read_answers(
    agent: str,
    conversation: str | None,
    payload: Any,
    interrupts: Sequence[Mapping[str, Any]],
    refuse: Callable[[str, str], NoReturn],
) -> dict[str, Any]:
    """The answer to each interrupt that `payload` answers, by its id.

    Args:
        agent: Name of the agent.
        conversation: Of the message.
        payload: Of the message.
        interrupts: Those that are open in the conversation.
        refuse: Refuses the payload.

    Raises:
        UnknownInterrupt: None is open, or not the one that is answered.
    """
    if not isinstance(payload, dict):
        refuse("payload", f"{_TAKES}; got {type(payload).__name__}")
    for key in payload:
        if key not in ("value", "id", "values"):
            refuse(f"payload.{key}", f"there is no such key; {_TAKES}")
    if ("values" in payload) == ("value" in payload) or ("values" in payload and "id" in payload):
        refuse("payload", f"{_TAKES}; got {', '.join(map(repr, payload)) or 'nothing'}")
    if conversation is None:
        raise UnknownInterrupt(
            agent,
            f"{agent!r} cannot tell which run to resume: pass on the conversation of the interrupt: "
            "ask(..., conversation=reply.conversation)",
        )
    open_ = [str(each["id"]) for each in interrupts]
    if not open_:
        raise UnknownInterrupt(
            agent,
            f"{agent!r} has no open interrupt in conversation {conversation!r}: "
            "it was answered already, or never asked. Send a new message to go on",
        )
    if "values" in payload:
        answers = payload["values"]
        if not isinstance(answers, dict) or not answers:
            refuse("payload.values", f"a dict from interrupt ids to answers is needed; {_TAKES}")
    elif "id" in payload:
        answers = {payload["id"]: payload["value"]}
    elif len(open_) > 1:
        refuse("payload", f"{len(open_)} interrupts are open, so 'id' must name one of {open_}")
    else:
        answers = {open_[0]: payload["value"]}
    for id in answers:
        if id not in open_:
            raise UnknownInterrupt(
                agent,
                f"{agent!r} has no open interrupt {id!r} in conversation {conversation!r}: it was answered already, "
                f"or never asked. Open: {', '.join(open_)}",
            )
    return dict(answers)

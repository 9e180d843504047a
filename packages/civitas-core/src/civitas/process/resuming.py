"""The answer of a human to a run that waits for one: from the payload of a ``resume`` to answers by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from civitas.errors import UnknownInterrupt

__all__ = ["read_answers"]

_TAKES = 'a resume takes {"value": answer}, with "id" where several are open, or {"values": {id: answer}}'


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

"""Conversations of callers, and the questions that stand open in them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from civitas.edge.http.served_system import ServedSystem
from civitas.edge.questions import answer_to, questions_in
from civitas.errors import DeliveryError
from civitas.message import Message

__all__ = ["OpenQuestions"]

_REMEMBERED = 10_000
_PATIENCE = 5.0
"""Seconds for an answer that is kept to be there."""


class OpenQuestions:
    """What agents have asked the callers of one API, by agent and conversation; of the newest so many.

    What durable agents asked in earlier runs of the program is known from their runs.

    Args:
        served: The system.
    """

    def __init__(self, served: ServedSystem) -> None:
        self._served = served
        self._open: OrderedDict[tuple[str, str], tuple[list[Mapping[str, Any]], str]] = (
            OrderedDict()
        )
        self._left: dict[tuple[str, str | None], str] | None = None
        """The runs that waited when the first caller came, by agent and conversation."""

    def heard(self, name: str, reply: Message) -> None:
        """Remember what a reply asks."""
        questions = questions_in(reply)
        if not questions or reply.conversation is None:
            return
        self._open[name, reply.conversation] = questions, reply.run
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)

    async def answered(
        self, name: str, conversation: str | None, text: str
    ) -> dict[str, Any] | None:
        """The payload of a `resume` if the words answer a question; None if none is open."""
        if self._left is None:
            waiting = self._served.runs("waiting")
            self._left = {(each.agent, each.conversation): each.run for each in waiting}
        left = self._left.pop((name, conversation), None)
        found, run = self._open.pop((name, conversation or ""), (None, ""))
        if found is not None and any(each.run == run for each in self._served.runs("done", name)):
            return None  # somebody else has answered it meanwhile
        if found is None and left is not None:
            found = await self._kept(name, left)
        if found is None:
            return None
        return {"values": {each["id"]: answer_to(each, text) for each in found}}

    async def _kept(self, name: str, run: str) -> list[Mapping[str, Any]] | None:
        """What a run of an earlier program asks; None if that was answered meanwhile."""
        if all(each.run != run for each in self._served.runs("waiting", name)):
            return None
        try:
            reply = await self._served.result(run, _PATIENCE)
        except DeliveryError:
            return None
        return questions_in(reply) or None

"""Conversations of callers, and the questions that stand open in them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from civitas.edge.questions import answer_to
from civitas.message import Message

__all__ = ["OpenQuestions"]

_REMEMBERED = 10_000


class OpenQuestions:
    """What agents have asked the callers of one API, by agent and conversation; of the newest so many."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str], list[dict[str, Any]]] = OrderedDict()

    def heard(self, name: str, reply: Message) -> None:
        """Remember what a reply asks."""
        if reply.type != "interrupt" or reply.conversation is None:
            return
        self._open[name, reply.conversation] = reply.payload["interrupts"]
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)

    def answered(self, name: str, conversation: str | None, text: str) -> dict[str, Any] | None:
        """The payload of a `resume` if the words answer a question; None if none is open."""
        found = self._open.pop((name, conversation or ""), None)
        if found is None:
            return None
        return {"values": {each["id"]: answer_to(each, text) for each in found}}

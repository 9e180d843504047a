"""What an agent answers, as text: piece by piece, and as a whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from civitas.edge.http.served_system import ServedSystem
from civitas.edge.questions import question_of, questions_in
from civitas.edge.texts import EMITTED, text_of, token_of
from civitas.message import Message
from civitas.message.json_form import json_form

__all__ = ["Answering"]


class Answering:
    """One question to an agent, and what it says to that.

    Args:
        served: The system.
        name: Of the agent.
        payload: What it gets.
        type: Type of the message.
        conversation: Its conversation.
        headers: Handed on with the message.

    Attributes:
        reply: The last word, once `parts` has ended.
        text: All that was said.
    """

    def __init__(
        self,
        served: ServedSystem,
        name: str,
        payload: Any,
        type: str,
        conversation: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._served = served
        self._name = name
        self._payload = payload
        self._type = type
        self._conversation = conversation
        self._headers = headers
        self.reply: Message | None = None
        self.text = ""

    async def whole(self) -> str:
        """Ask, and return the text."""
        self.reply = await self._served.ask(
            self._name,
            self._payload,
            self._type,
            timeout=None,
            conversation=self._conversation,
            headers=self._headers,
        )
        self.text = said_in(self.reply)
        return self.text

    async def parts(self) -> AsyncGenerator[str, None]:
        """Ask, and tell the text as it comes; none of it is empty."""
        stream = self._served.stream(
            self._name,
            self._payload,
            self._type,
            timeout=None,
            conversation=self._conversation,
            headers=self._headers,
        )
        async with aclosing(stream) as messages:
            async for message in messages:
                if self.reply is not None and (text := self._emitted(self.reply)):
                    yield text
                self.reply = None
                if message.type not in EMITTED:
                    self.reply = message  # perhaps
                elif text := self._emitted(message):
                    yield text
        assert self.reply is not None  # a stream ends with its reply, or raises
        if rest := self._rest(said_in(self.reply)):
            yield rest

    def asked(self) -> dict[str, Any]:
        """What the APIs have no word for: the questions of the agent, and where they are answered."""
        reply = self.reply
        questions = questions_in(reply) if reply is not None else []
        if reply is None or not questions:
            return {}
        return {"civitas": {"interrupts": json_form(questions), "conversation": reply.conversation}}

    def _emitted(self, part: Message) -> str:
        if part.type in ("step", "tool", "custom"):
            return ""
        text = token_of(part.payload) if part.type == "token" else text_of(part.payload)
        self.text += text
        return text

    def _rest(self, whole: str) -> str:
        """What the reply holds beyond what was streamed."""
        if whole.startswith(self.text):
            rest = whole[len(self.text) :]
        else:
            rest = "" if self.text.endswith(whole) else f"\n\n{whole}"
        self.text += rest
        return rest


def said_in(reply: Message) -> str:
    """The text of a reply; of questions to a human, these."""
    if questions := questions_in(reply):
        return "\n\n".join(map(question_of, questions))
    return text_of(reply.payload)

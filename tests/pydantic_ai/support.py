"""Models that answer by a script, and agents that have them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart
from pydantic_ai.messages import ModelRequest, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

__all__ = ["Says", "call", "last_turn", "texts_of"]

Answer = str | list[Any]


class Says:
    """Answers by a script: one answer after the other, or a function from the messages to the answer.

    Attributes:
        asked: The messages that it was asked, each time.
        model: The model.
    """

    def __init__(
        self,
        script: Iterable[Answer] | Callable[[list[ModelMessage]], Any],
        *,
        streams: bool = False,
    ) -> None:
        self._script = script if callable(script) else iter(script)
        self.asked: list[list[ModelMessage]] = []
        stream: Any = {"stream_function": self._stream} if streams else {}
        self.model = FunctionModel(self._answer, model_name="m1", **stream)

    @property
    def texts(self) -> list[list[str]]:
        """What it was asked as texts, each time."""
        return [texts_of(each) for each in self.asked]

    async def _next(self, messages: list[ModelMessage]) -> list[Any]:
        self.asked.append(list(messages))
        answer = self._script(messages) if callable(self._script) else next(self._script)
        if inspect.isawaitable(answer):
            answer = await answer
        return [TextPart(answer)] if isinstance(answer, str) else answer

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=await self._next(messages))

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        for at, part in enumerate(await self._next(messages)):
            if isinstance(part, TextPart):
                for word in part.content.split(" "):
                    yield f"{word} "
            else:
                yield {
                    at: DeltaToolCall(
                        part.tool_name, part.args_as_json_str(), tool_call_id=part.tool_call_id
                    )
                }

    @staticmethod
    def said(text: str) -> list[TextPart]:
        """An answer that is this text."""
        return [TextPart(text)]

    def agent(self, **keywords: Any) -> Agent[Any, Any]:
        """An agent that has it."""
        return Agent(self.model, name="a", **keywords)


def call(name: str, id: str, /, **arguments: Any) -> ToolCallPart:
    return ToolCallPart(name, arguments, tool_call_id=id)


def texts_of(messages: Iterable[ModelMessage]) -> list[str]:
    """What was said in messages, oldest first: by users, by the model, by tools."""
    texts: list[str] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolReturnPart):
                texts.append(part.model_response_str())
            elif isinstance(part, (UserPromptPart, TextPart)):
                texts.append(part.content if isinstance(part.content, str) else str(part.content))
    return texts


def last_turn(messages: list[ModelMessage]) -> list[ModelMessage]:
    """The messages from the last one of a user on."""
    begins = max(
        at
        for at, message in enumerate(messages)
        if isinstance(message, ModelRequest)
        and any(isinstance(part, UserPromptPart) for part in message.parts)
    )
    return messages[begins:]

"""A chat model of LangChain that plays the turns of a `SuiteModel`, word by word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from civitas.testing import SuiteModel, ToolCall


class PlayedModel(BaseChatModel):
    """Asks the suite's model."""

    played: Any

    @property
    def _llm_type(self) -> str:
        return "played"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = self.played.answer_blocking([str(each.content) for each in messages])
        return ChatResult(generations=[ChatGeneration(message=_message(said))])

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        said = await self.played.answer([str(each.content) for each in messages])
        return ChatResult(generations=[ChatGeneration(message=_message(said))])

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        message = _message(await self.played.answer([str(each.content) for each in messages]))
        pieces = [AIMessageChunk(content="", tool_call_chunks=_calls(message))]
        words = str(message.content).split(" ")
        pieces += [
            AIMessageChunk(content=word if at == 0 else f" {word}") for at, word in enumerate(words)
        ]
        for piece in pieces:
            chunk = ChatGenerationChunk(message=piece)
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(piece.content), chunk=chunk)
            yield chunk

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def played(model: SuiteModel) -> PlayedModel:
    return PlayedModel(played=model)


def _message(said: str | ToolCall) -> AIMessage:
    if isinstance(said, ToolCall):
        call = {"name": said.name, "args": said.arguments, "id": said.id, "type": "tool_call"}
        return AIMessage(content="", tool_calls=[call])
    return AIMessage(content=said)


def _calls(message: AIMessage) -> Any:
    import json

    return [
        {"name": each["name"], "args": json.dumps(each["args"]), "id": each["id"], "index": 0}
        for each in message.tool_calls
    ]

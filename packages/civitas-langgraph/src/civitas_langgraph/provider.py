"""`ChatModel`: chat models of LangChain, as `self.llm` of every agent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError
from civitas.models import ModelResponse
from civitas.tools import ToolProvider

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["ChatModel"]


class ChatModel:
    """A ModelProvider by a chat model of LangChain.

    Args:
        models: The chat model, or a function that makes the one of a name: ``lambda name: ChatOpenAI(model=name)``. It
            is called once for each name. Given a model, the name in a call says nothing.

    Raises:
        ConfigurationError: It is neither.
    """

    def __init__(self, models: BaseChatModel | Callable[[str], BaseChatModel]) -> None:
        if not hasattr(models, "ainvoke") and not callable(models):
            raise ConfigurationError(
                f"ChatModel takes a chat model of LangChain, or a function that makes one; got {models!r}"
            )
        self._models: Any = models
        self._made: dict[str, Any] = {}

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation; as `ModelProvider.chat`.

        Raises:
            Exception: What the chat model raises.
        """
        asked = self._model(model)
        if tools:
            asked = asked.bind_tools([_tool(each) for each in tools])
        return _response(await asked.ainvoke([_message(each) for each in messages]), model)

    def _model(self, name: str) -> Any:
        if hasattr(self._models, "ainvoke"):
            return self._models
        if name not in self._made:
            self._made[name] = self._models(name)
        return self._made[name]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as LangChain reads it, which calls the arguments of a call differently."""
    calls = message.get("tool_calls")
    if not calls or "arguments" not in calls[0]:
        return dict(message)
    told = [
        {"id": each["id"], "name": each["name"], "args": each["arguments"], "type": "tool_call"}
        for each in calls
    ]
    return {**message, "tool_calls": told}


def _tool(tool: ToolProvider) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description}
    return {"type": "function", "function": {**described, "parameters": dict(tool.parameters)}}


def _response(answer: Any, model: str) -> ModelResponse:
    usage: Mapping[str, Any] = answer.usage_metadata or {}
    said: Mapping[str, Any] = answer.response_metadata or {}
    return ModelResponse(
        content=answer.text if isinstance(answer.text, str) else answer.text(),
        model=said.get("model_name") or said.get("model") or model,
        tokens_in=usage.get("input_tokens", 0),
        tokens_out=usage.get("output_tokens", 0),
        tool_calls=[
            {"id": each["id"], "name": each["name"], "arguments": each["args"]}
            for each in answer.tool_calls
        ],
        finish_reason=said.get("finish_reason") or said.get("stop_reason") or "",
        tokens_cached=usage.get("input_token_details", {}).get("cache_read", 0),
        tokens_reasoning=usage.get("output_token_details", {}).get("reasoning", 0),
    )

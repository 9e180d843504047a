"""`OpenAIModel`: the models of an endpoint of OpenAI's API, as `self.llm` of every agent."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Self

from civitas.errors import ConfigurationError
from civitas.models import ModelResponse
from civitas.process.options import check_timeout
from civitas.tools import ToolProvider

__all__ = ["OpenAIModel", "opened_model"]


class OpenAIModel:
    """A ModelProvider by the `openai` package; its client is made with the first call.

    Args:
        base_url: Of the endpoint, such as ``http://localhost:8000/v1``; `OPENAI_BASE_URL`, or OpenAI's own, by default.
        api_key: `OPENAI_API_KEY` by default; an endpoint of your own may need none.
        timeout: Seconds that one call may take.
        max_retries: How often a call is made again that failed on the way.

    Raises:
        ConfigurationError: An argument does not fit.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 600.0,
        max_retries: int = 2,
    ) -> None:
        if base_url is not None and not str(base_url).startswith(("http://", "https://")):
            raise ConfigurationError(
                f"base_url must begin with http:// or https://; got {base_url!r}"
            )
        check_timeout(timeout)
        self.provider_name = "openai"
        self._options: dict[str, Any] = {
            "base_url": base_url,
            "timeout": timeout,
            "max_retries": max_retries,
        }
        self._api_key = api_key
        self._client: Any = None

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation; as `ModelProvider.chat`.

        Raises:
            openai.OpenAIError: The endpoint cannot be reached, refused, or no key was found.
        """
        more = {"tools": [_tool(each) for each in tools]} if tools else {}
        given = [_message(each) for each in messages]
        client = await self._opened()
        answer = await client.chat.completions.create(model=model, messages=given, **more)
        return _response(answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the next call opens them again."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _opened(self) -> Any:
        if self._client is None:
            await asyncio.to_thread(import_module, "openai")  # it takes a second
        if self._client is None:
            from openai import AsyncOpenAI

            # The client insists on a key, and an endpoint of one's own need not.
            own = None
            if self._options["base_url"] is not None and not os.environ.get("OPENAI_API_KEY"):
                own = "none"
            self._client = AsyncOpenAI(api_key=self._api_key or own, **self._options)
        return self._client


def opened_model(
    base_url: str | None = None,
    api_key: str | None = None,
    timeout: float = 600.0,
    max_retries: int = 2,
) -> OpenAIModel:
    """An `OpenAIModel` that the runtime closes when it stops, as it does with what a function builds."""
    return OpenAIModel(base_url, api_key, timeout, max_retries)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as the API has it, which calls the tools that a `ModelResponse` names differently."""
    calls = message.get("tool_calls")
    if not calls or "function" in calls[0]:
        return dict(message)
    told = [
        {
            "id": each["id"],
            "type": "function",
            "function": {"name": each["name"], "arguments": json.dumps(each["arguments"])},
        }
        for each in calls
    ]
    return {**message, "tool_calls": told}


def _tool(tool: ToolProvider) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description}
    return {"type": "function", "function": {**described, "parameters": dict(tool.parameters)}}


def _response(answer: Any) -> ModelResponse:
    choice, usage = answer.choices[0], answer.usage
    prompt = getattr(usage, "prompt_tokens_details", None)
    completion = getattr(usage, "completion_tokens_details", None)
    return ModelResponse(
        content=choice.message.content or "",
        model=answer.model,
        tokens_in=usage.prompt_tokens if usage else 0,
        tokens_out=usage.completion_tokens if usage else 0,
        tool_calls=[
            {
                "id": each.id,
                "name": each.function.name,
                "arguments": _arguments(each.function.arguments),
            }
            for each in choice.message.tool_calls or ()
        ],
        finish_reason=choice.finish_reason or "",
        tokens_cached=getattr(prompt, "cached_tokens", None) or 0,
        tokens_reasoning=getattr(completion, "reasoning_tokens", None) or 0,
    )


def _arguments(text: str | None) -> dict[str, Any]:
    """The arguments of a call. What is none stands under a name that no tool has, so that checking them says so."""
    try:
        read = json.loads(text or "{}")
    except ValueError:
        read = None
    return read if isinstance(read, dict) else {"malformed": text}

"""A model provider for every server that speaks the chat completions API, by the standard library alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from civitas import ConfigurationError, ModelResponse, ToolProvider

__all__ = ["ChatCompletions", "ModelError"]


class ModelError(Exception):
    """The server cannot be reached, refused, or answered something that nobody understands."""


class ChatCompletions:
    """Asks a server for chat completions; each call runs in a thread.

    Args:
        base_url: Such as ``http://localhost:8000/v1``.
        api_key: Sent as a bearer token; none by default.
        timeout: Seconds that the server may be silent. A call that is cancelled is no longer waited for; its thread
            ends by then.
    """

    def __init__(self, base_url: str, api_key: str = "", timeout: float = 60.0) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"base_url begins with http:// or https://; got {base_url!r}")
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._timeout = timeout

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation.

        Raises:
            ModelError: There is no answer.
        """
        body: dict[str, Any] = {"model": model, "messages": [_message(each) for each in messages]}
        if offered := [_tool(each) for each in tools or ()]:
            body["tools"] = offered
        raw = await asyncio.to_thread(self._post, json.dumps(body).encode())
        try:
            return _response(json.loads(raw))
        except (LookupError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self._url}: this is no chat completion ({error!r}): {raw[:200]!r}"
            ) from error

    def _post(self, body: bytes) -> bytes:
        request = Request(self._url, body, self._headers)  # noqa: S310  # the scheme was looked at
        try:
            with urlopen(request, timeout=self._timeout) as reply:  # noqa: S310
                raw: bytes = reply.read()
                return raw
        except HTTPError as error:
            with error:
                said = error.read(500).decode(errors="replace")
            raise ModelError(f"{self._url} answered {error.code}: {said}") from error
        except OSError as error:
            raise ModelError(
                f"{self._url} does not answer ({error}); does the server run there?"
            ) from error


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as the API has it: the calls of an answer, told back to the model, look different there."""
    if not message.get("tool_calls"):
        return dict(message)
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
        }
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _tool(tool: ToolProvider) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def _response(body: Mapping[str, Any]) -> ModelResponse:
    message = body["choices"][0]["message"]
    usage = body.get("usage") or {}
    return ModelResponse(
        content=message.get("content") or "",
        model=body.get("model", ""),
        tokens_in=usage.get("prompt_tokens", 0),
        tokens_out=usage.get("completion_tokens", 0),
        tool_calls=[
            {
                "id": call["id"],
                "name": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"] or "{}"),
            }
            for call in message.get("tool_calls") or ()
        ],
    )

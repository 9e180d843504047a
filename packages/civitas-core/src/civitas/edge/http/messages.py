"""The messages in a request of OpenAI's APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.edge.http.bodies import Body
from civitas.edge.http.failures import BadRequest

__all__ = ["messages_in"]

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
"""Those that are taken, and what an agent is told."""


def messages_in(body: Body, key: str) -> list[dict[str, Any]]:
    """The messages under a key, each with its role and its text.

    Raises:
        BadRequest: There are none, or one is not a message with text.
    """
    given = body.fields.get(key)
    if not isinstance(given, list) or not given:
        raise BadRequest(f"{key!r} must be a list with a message at least", key)
    return [_message(each, f"{key}[{number}]") for number, each in enumerate(given)]


def _message(given: Any, param: str) -> dict[str, Any]:
    role = _ROLES.get(str(given.get("role"))) if isinstance(given, Mapping) else None
    if role is None:
        raise BadRequest(
            "a message is {'role', 'content'} with the role user, assistant, system or developer; "
            "an agent calls its own tools",
            param,
        )
    return {"role": role, "content": _text(given.get("content") or "", f"{param}.content")}


def _text(content: Any, param: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadRequest(f"{param} must be text, or a list of parts", param)
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("only parts with text are taken; send others to /agents/NAME/ask", param)
    return "".join(map(str, texts))

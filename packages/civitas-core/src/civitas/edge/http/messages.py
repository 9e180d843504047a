"""The messages in a request of OpenAI's APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.edge.http.bodies import Body
from civitas.edge.http.failures import BadRequest

__all__ = ["check_tool_choice", "messages_in"]

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


def check_tool_choice(body: Body) -> None:
    """Refuse a client that waits for the call of a tool of its own: it would take the answer for a broken one.

    Raises:
        BadRequest: It does.
    """
    if body.fields.get("tool_choice") not in (None, "auto", "none"):
        raise BadRequest(
            "an agent calls its own tools, and none of its client's; leave out 'tool_choice'",
            "tool_choice",
        )


def _message(given: Any, param: str) -> dict[str, Any]:
    role = _ROLES.get(str(given.get("role"))) if isinstance(given, Mapping) else None
    if role is None:
        raise BadRequest(
            "a message is {'role', 'content'} with the role user, assistant, system or developer; "
            "an agent calls its own tools",
            param,
        )
    return {"role": role, "content": _text(given.get("content"), f"{param}.content")}


def _text(content: Any, param: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise BadRequest(f"{param} must be text, or a list of parts", param)
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("only parts with text are taken; send others to /agents/NAME/ask", param)
    return "".join(map(str, texts))

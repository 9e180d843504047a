"""The body of a request, key by key."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from civitas.edge.http.failures import BadRequest

__all__ = ["Body"]

_REQUIRED: Any = object()


class Body:
    """The JSON object that a request carries.

    Args:
        fields: What is in it.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    @classmethod
    async def of(cls, request: Request) -> Body:
        """Read it; an empty body is an empty object.

        Raises:
            BadRequest: It is not a JSON object.
        """
        raw = await request.body()
        try:
            fields = json.loads(raw or b"{}")
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"the body is not JSON: {error}", code="invalid_json") from None
        if not isinstance(fields, dict):
            raise BadRequest("the body must be a JSON object", code="invalid_json")
        return cls(fields)

    def text(self, key: str, default: str | None = _REQUIRED) -> str:
        """Text; raises `BadRequest` if there is none and no default."""
        found = self._get(key, str, "text", default)
        return found if isinstance(found, str) else ""

    def maybe_text(self, key: str) -> str | None:
        """Text, or None."""
        found = self._get(key, str, "text", None)
        return found if isinstance(found, str) else None

    def flag(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        return bool(self._get(key, bool, "true or false", default))

    def number(self, key: str, default: float | None) -> float | None:
        """A number, or None."""
        found = self.fields.get(key, default)
        if found is not None and (isinstance(found, bool) or not isinstance(found, (int, float))):
            raise BadRequest(f"{key!r} must be a number", key)
        return found

    def mapping(self, key: str) -> dict[str, Any] | None:
        """An object, or None."""
        found = self._get(key, dict, "an object", None)
        return found if isinstance(found, dict) else None

    def _get(self, key: str, type: type, word: str, default: Any) -> Any:
        found = self.fields.get(key)
        if found is None:
            if default is _REQUIRED:
                raise BadRequest(f"the body needs {key!r}, which is {word}", key)
            return default
        if not isinstance(found, type):
            raise BadRequest(f"{key!r} must be {word}", key)
        return found

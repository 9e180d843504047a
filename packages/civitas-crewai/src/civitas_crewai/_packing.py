"""The results of calls as plain data, and back."""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from civitas.errors import PayloadError
from civitas.frameworks import plain

if TYPE_CHECKING:
    from civitas.process import AmbiguousCall

__all__ = ["pack", "recorded_call", "unpack"]


def pack(value: Any) -> Any:
    """The result of a call as plain data, from which `unpack` makes it again; what cannot be kept as its text."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return {"list": [pack(item) for item in value]}
    if isinstance(value, BaseModel):
        kind = type(value)
        name = f"{kind.__module__}:{kind.__qualname__}"
        if _class(name) is kind:
            return {"class": name, "data": value.model_dump(mode="json")}
        return {"plain": value.model_dump(mode="json")}
    try:
        return {"plain": plain(value)}
    except PayloadError:
        return str(value)


def recorded_call(call: AmbiguousCall, result: Any) -> Any:
    """What is recorded of a call, where a probe or a human told its result.

    Raises:
        ValueError: It cannot be that of a model.
    """
    if call.kind == "model" and not isinstance(result, str):
        raise ValueError(f"a model's answer must be text; got {type(result).__name__}")
    return pack(result)


def unpack(packed: Any) -> Any:
    """What `pack` was given; raises what a kept failure was."""
    if isinstance(packed, str):
        return packed
    if "list" in packed:
        return [unpack(item) for item in packed["list"]]
    if "class" in packed:
        kind = _class(packed["class"])
        return kind.model_validate(packed["data"]) if kind is not None else packed["data"]
    if "failed" in packed:
        raise type(packed["failed"], (Exception,), {})(packed["text"])
    return packed["plain"]


def _class(name: str) -> type[BaseModel] | None:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None

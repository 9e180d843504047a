"""From what a framework returns to plain data, and copies of that."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from civitas.errors import PayloadError
from civitas.message import decode, encode, to_plain
from civitas.message.payload import MAX_DEPTH

__all__ = ["copied", "plain"]

_SIMPLE = frozenset({str, int, float, bool, bytes, type(None)})


def plain(value: Any, known: Callable[[Any], Any] = lambda value: value) -> Any:
    """Copy `value` into plain data.

    Beside what a payload may hold anyway, a pydantic model may hold what JSON can express, such as a URL or a path.

    Args:
        value: What a framework returned.
        known: Given each part of `value` first, but plain text and numbers; returns what to put in its place, or the
            part itself.
    Raises:
        PayloadError: Something in it cannot be sent; names the path to it.
    """
    # There and back is the quickest way to a copy, and raises what sending would.
    return decode(encode(_convert(value, known, 0)))


def _convert(value: Any, known: Callable[[Any], Any], depth: int) -> Any:
    if type(value) in _SIMPLE:
        return value
    value = known(value)
    if value is None or isinstance(value, (str, int, float, bytes)) or depth > MAX_DEPTH:
        return value  # too deep: to_plain says so, with the path
    if isinstance(value, Mapping):
        return {key: _convert(item, known, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_convert(item, known, depth + 1) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _convert(getattr(value, field.name), known, depth + 1)
            for field in dataclasses.fields(value)
        }
    if _is_pydantic(value):
        try:
            return to_plain(value)
        except PayloadError:
            try:
                return value.model_dump(mode="json")
            except ValueError:  # such as bytes that are not UTF-8, or a lock
                return value  # to_plain says so, with the path
    return value


def _is_pydantic(value: Any) -> bool:
    # By its method, so that nobody pays for importing pydantic.
    return hasattr(type(value), "model_fields") and callable(getattr(value, "model_dump", None))


def copied(value: Any) -> Any:
    """A copy of `value` that shares no dict and no list with it; as in JSON, none of them is there twice.

    Quicker than `copy.deepcopy`: a conversation is copied for each of its messages.
    """
    kind = type(value)
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    if kind is list:
        return [copied(each) for each in value]
    return value if kind in _SIMPLE else copy.deepcopy(value)

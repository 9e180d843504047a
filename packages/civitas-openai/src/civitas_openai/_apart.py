"""Plain data whose long parts stand beside it as lists, so that whoever keeps it can write what is new in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["apart", "together"]

_LIST, _DICT, _ONE, _OWN = "@list", "@dict", "@one", "@own"
"""The keys of what stands for a list, a dict or another value that is elsewhere, and for a dict that has such keys."""
_KEYS = frozenset({_LIST, _DICT, _ONE, _OWN})

_MANY = 16  # items of a list or a dict that need not go elsewhere
_LONG = 256  # characters of a text, or bytes


def apart(name: str, value: Any) -> dict[str, Any]:
    """`value` under `name`, and what is long in it beside it, as lists under names that begin with it.

    A long dict becomes the list of its pairs, and a long text a list with one item. What is in a list stays there.
    """
    lists: dict[str, Any] = {}
    return {name: _apart(f"{name}:", value, lists), **lists}


def together(name: str, parts: Mapping[str, Any]) -> Any:
    """The value of which `apart` made `parts`."""
    return _together(parts[name], parts)


def _apart(name: str, value: Any, lists: dict[str, Any]) -> Any:
    kind = ""
    if isinstance(value, dict):
        if len(value) <= _MANY and all(isinstance(key, str) for key in value):
            inner = {key: _apart(_below(name, key), each, lists) for key, each in value.items()}
            return {_OWN: inner} if _KEYS & inner.keys() else inner
        kind, value = _DICT, [list(pair) for pair in value.items()]
    elif isinstance(value, list) and len(value) > _MANY:
        kind = _LIST
    elif isinstance(value, (str, bytes)) and len(value) > _LONG:
        kind, value = _ONE, [value]
    if not kind:
        return value
    lists[name] = value
    return {kind: name}


def _together(value: Any, parts: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and _KEYS & value.keys():
        ((kind, inner),) = value.items()
        if kind == _LIST:
            return parts[inner]
        if kind == _DICT:
            return {key: each for key, each in parts[inner]}  # noqa: C416
        if kind == _ONE:
            return parts[inner][0]
        value = inner
    return {key: _together(each, parts) for key, each in value.items()}


def _below(name: str, key: str) -> str:
    return f"{name}/{key.replace('~', '~0').replace('/', '~1')}"

"""Plain data whose long parts stand beside it as lists, so that whoever keeps it can write what is new in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["apart", "together"]

# The keys of what stands for a list, another value or a dict that is elsewhere; for a dict that is elsewhere and has
# parts elsewhere itself; and for a dict of the user's that has such keys.
_LIST, _ONE, _DICT, _PARTS, _OWN = "@list", "@one", "@dict", "@parts", "@own"
_KEYS = frozenset({_LIST, _ONE, _DICT, _PARTS, _OWN})

_MANY = 16  # items of a dict or a list that stay where they are
_LONG = 256  # characters, about


def apart(name: str, value: Any) -> dict[str, Any]:
    """`value` under `name`, and what is long in it beside it, as lists under names that begin with it.

    A long dict becomes the list of its pairs, and a long text a list with one item. What is in a list stays there.
    """
    lists: dict[str, Any] = {}
    return {name: _apart(f"{name}:", value, lists), **lists}


def together(name: str, parts: Mapping[str, Any]) -> Any:
    """The value of which `apart` made `parts`; it shares with them."""
    return _together(parts[name], parts)


def _apart(name: str, value: Any, lists: dict[str, Any]) -> Any:
    kind = ""
    if isinstance(value, dict):
        below: dict[str, Any] = {}
        inner = {key: _apart(_below(name, key), each, below) for key, each in value.items()}
        if len(value) > _MANY and len(below) > _MANY:
            kind, value = _DICT, [list(pair) for pair in value.items()]
        else:
            lists |= below
            if len(inner) <= _MANY or _left(inner, _LONG) >= 0:
                return {_OWN: inner} if _KEYS & inner.keys() else inner
            kind, value = _PARTS, [list(pair) for pair in inner.items()]
    elif isinstance(value, list) and (len(value) > _MANY or _left(value, _LONG) < 0):
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
        if kind == _ONE:
            return parts[inner][0]
        if kind == _DICT:
            return dict(map(tuple, parts[inner]))
        value = dict(map(tuple, parts[inner])) if kind == _PARTS else inner
    return {key: _together(each, parts) for key, each in value.items()}


def _below(name: str, key: Any) -> str:
    if not isinstance(key, str):
        return f"{name}/#{key!r}"
    return f"{name}/{key.replace('~', '~0').replace('/', '~1').replace('#', '~2')}"


def _left(value: Any, room: int) -> int:
    """How much of `room` is left when `value` is in it; less than 0 if it does not fit."""
    if isinstance(value, (str, bytes)):
        return room - len(value)
    if isinstance(value, dict):
        value = [each for pair in value.items() for each in pair]
    if isinstance(value, (list, set, frozenset)):
        for each in value:
            room = _left(each, room - 1)
            if room < 0:
                break
    return room - 1

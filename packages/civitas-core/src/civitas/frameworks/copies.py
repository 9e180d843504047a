"""Copies of plain data, quicker than `copy.deepcopy`: a conversation is copied for each of its messages."""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["copied"]

_ATOMS = frozenset({str, int, float, bool, type(None), bytes})


def copied(value: Any) -> Any:
    """A copy of `value` that shares no dict and no list with it; as in JSON, none of them is there twice."""
    kind = type(value)
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    if kind is list:
        return [copied(each) for each in value]
    return value if kind in _ATOMS else copy.deepcopy(value)

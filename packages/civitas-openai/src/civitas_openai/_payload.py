"""From a payload to a run's input."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["read_input"]

_ACCEPTED = 'it takes {"input": text} or {"input": [{"role": "user", "content": text}, ...]}'


def read_input(payload: Any, refuse: Callable[[str, str], NoReturn]) -> Any:
    """The input of a run for `payload`, or `refuse` with what is accepted."""
    if not isinstance(payload, dict):
        refuse("payload", f"a dict is needed, got {type(payload).__name__}; {_ACCEPTED}")
    for key in payload:
        if key != "input":
            near = difflib.get_close_matches(str(key), ["input"], 1)
            refuse(
                f"payload.{key}",
                f"there is no such input; {'did you mean `input`? ' if near else ''}{_ACCEPTED}",
            )
    if "input" not in payload:
        refuse("payload", f"it has no `input`; {_ACCEPTED}")
    items = payload["input"]
    if isinstance(items, str):
        return items
    if not isinstance(items, list) or not items:
        refuse("payload.input", f"text or a list of items is needed, got {items!r}; {_ACCEPTED}")
    for index, item in enumerate(items):
        if not isinstance(item, dict) or not ("role" in item or "type" in item):
            refuse(f"payload.input[{index}]", f"that is not an input item; {_ACCEPTED}")
    return items

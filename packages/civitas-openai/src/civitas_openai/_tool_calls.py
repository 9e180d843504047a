"""The calls of tools that a model makes, whatever their kind: what is called, with what, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from civitas.errors import PayloadError
from civitas.frameworks import plain

if TYPE_CHECKING:
    from agents import ModelResponse

__all__ = [
    "LOCAL",
    "UNFINISHED",
    "WITHHELD",
    "Failed",
    "ToolCalls",
    "arguments_of",
    "name_of",
    "parsed",
    "raw",
]

LOCAL: Final = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "shell_call",
        "local_shell_call",
        "apply_patch_call",
    }
)
"""The types of calls that are made here; those of all others are the provider's own."""

# What every call has beside what it is called with.
_FRAME = frozenset({"id", "type", "status", "call_id", "name", "namespace", "caller", "created_by"})


def name_of(tool: Any) -> str:
    """The one name of a tool: in streams, spans, and questions to a human."""
    for kind in ("trace_name", "qualified_name", "name", "tool_name"):
        if name := getattr(tool, kind, None):
            return str(name)
    return type(tool).__name__


def raw(call: Any) -> dict[str, Any]:
    """A call as plain data, without what is not set."""
    if hasattr(call, "model_dump"):
        data: dict[str, Any] = call.model_dump(mode="json", exclude_none=True)
        return data
    data = dict(call) if isinstance(call, Mapping) else dict(vars(call))
    with suppress(PayloadError):
        data = plain(data)
    return data


def arguments_of(call: Any) -> Any:
    """What a tool is called with: the arguments of a function, the commands of a shell, the patch of a file, ..."""
    data = raw(call)
    if "arguments" in data:
        return parsed(data["arguments"])
    for key in ("action", "operation"):
        if isinstance(data.get(key), dict):
            return {name: value for name, value in data[key].items() if value is not None}
    return {
        key: value for key, value in data.items() if key not in _FRAME and value not in (None, [])
    }


def parsed(text: Any) -> Any:
    """The arguments of a function; if they are not JSON, what there is."""
    if not isinstance(text, (str, type(None))):
        return text
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


class Failed:
    """What stands for the result of a call that raised.

    Args:
        error: What it raised.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error


UNFINISHED: Final = object()
"""What stands for the result of a call that was begun and did not end."""
WITHHELD: Final = object()
"""What stands for a result that the model may not see before its guardrails have judged it."""


class ToolCalls:
    """What the models of a run answered, and which of the calls in that were made here."""

    def __init__(self) -> None:
        self.answers: list[ModelResponse] = []
        self.made: dict[str, Any] = {}
        """By the id of each call that was begun: its result, `Failed`, `UNFINISHED` or `WITHHELD`."""

    @contextmanager
    def making(self, id: str) -> Iterator[None]:
        """A call is made inside; if it raises, that is noted."""
        self.made[id] = UNFINISHED
        try:
            yield
        except Exception as error:
            self.made[id] = Failed(error)
            raise

    def find(self, kind: str, fits: Callable[[Any], bool]) -> str | None:
        """The id of the first call of this type in the last answer that fits and was not made yet."""
        for item in self.answers[-1].output if self.answers else ():
            if getattr(item, "type", None) != kind:
                continue
            id = getattr(item, "call_id", None)
            if id is not None and id not in self.made and fits(item):
                return str(id)
        return None

    def named(self, id: str) -> Any:
        """The call with this id; None if the answers hold none."""
        for answer in reversed(self.answers):
            for item in answer.output:
                if getattr(item, "call_id", None) == id:
                    return item
        return None

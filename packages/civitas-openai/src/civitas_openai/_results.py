"""What a tool returns, as plain data that is recorded, and back."""

from __future__ import annotations

from typing import Any

from agents import ToolOutputFileContent, ToolOutputImage, ToolOutputText

from civitas.errors import PayloadError
from civitas.frameworks import plain

__all__ = ["dump_result", "load_result", "show"]

# The SDK takes them as dicts, too.
_FOR_THE_MODEL = (ToolOutputText, ToolOutputImage, ToolOutputFileContent)


def dump_result(result: Any) -> dict[str, Any]:
    """`result` as plain data: what it holds, and how the model reads it if that is something else."""
    data = show(result)
    if _reads_the_same(result):
        return {"value": data}
    return {"value": data, "text": str(result)}


def load_result(recorded: dict[str, Any]) -> Any:
    """What stands for the result of a call that is not made again."""
    value = recorded["value"]
    if "text" not in recorded:
        return value
    return _Read(value, recorded["text"]) if isinstance(value, dict) else recorded["text"]


def show(result: Any) -> Any:
    """`result` as plain data, at the worst as text."""
    try:
        return plain(result)
    except PayloadError:
        return str(result)


def _reads_the_same(result: Any) -> bool:
    if result is None or isinstance(result, _FOR_THE_MODEL):
        return True
    kind = type(result)
    if kind is list:
        return all(_reads_the_same(each) for each in result)
    if kind is dict:
        return all(type(key) is str and _reads_the_same(each) for key, each in result.items())
    return kind in (str, int, float, bool)


class _Read(dict[str, Any]):
    """A dict that the model reads as it read the object that it was."""

    def __init__(self, value: dict[str, Any], text: str) -> None:
        super().__init__(value)
        self._text = text

    def __str__(self) -> str:
        return self._text

"""Errors as plain data: on their way from one node to another, and where they are kept."""

from __future__ import annotations

import builtins
from typing import Any

from civitas import errors
from civitas.errors import CivitasError
from civitas.hidden import hides
from civitas.process.exit_reason import PlainError

__all__ = ["RemoteTraceback", "cut", "dump_error", "load_error"]


_LONGEST = 1_000_000
"""Characters of a text that are sent on: an error must not be too large to be told."""


class RemoteTraceback(Exception):
    """The traceback of an error in another OS process, as the cause of that error here."""

    def __str__(self) -> str:
        return f"in another OS process:\n{self.args[0]}"


def dump_error(error: BaseException) -> dict[str, Any]:
    """`error` as plain data."""
    failure = PlainError.of(error)
    plain: dict[str, Any] = {
        "type": failure.error_type,
        "text": cut(failure.error_message),
        "trace": cut(failure.traceback),
    }
    if hint := hides(error):
        plain["hint"] = hint
    kind = type(error)
    if getattr(errors, kind.__name__, None) is kind:
        plain["facts"] = {key: _plain(value) for key, value in vars(error).items()}
    elif getattr(builtins, kind.__name__, None) is kind:
        plain["builtin"] = True
    return plain


def load_error(plain: dict[str, Any]) -> Exception:
    """The error that `dump_error` described: of the same class if that is ours or a builtin one."""
    name, text = plain["type"], plain["text"]
    facts: dict[str, Any] | None = plain.get("facts")
    kind: Any = getattr(errors, name, None)
    error: Exception
    if facts is not None and isinstance(kind, type) and issubclass(kind, CivitasError):
        error = kind.__new__(kind, text)
        error.args = (text,)
        vars(error).update({key: _fact(value) for key, value in facts.items()})
    else:
        error = _foreign(name, text, builtin=plain.get("builtin", False))
    if plain.get("hint"):
        vars(error)["civitas_hint"] = plain["hint"]
    if plain.get("trace"):
        error.__cause__ = RemoteTraceback(plain["trace"])
    return error


def _foreign(name: str, text: str, *, builtin: bool) -> Exception:
    kind = getattr(builtins, name, None) if builtin else None
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except Exception:  # one that wants more arguments, such as UnicodeDecodeError
            kind = None
    return type(name, (Exception,), {})(text)  # type: ignore[no-any-return]


def cut(text: str) -> str:
    """`text`, shortened if it is too long to be sent on."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _plain(value: object) -> Any:
    if isinstance(value, BaseException):
        return {"error": dump_error(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (int, float, type(None))) else cut(str(value))


def _fact(value: Any) -> Any:
    if isinstance(value, dict):
        return load_error(value["error"])
    return tuple(value) if isinstance(value, list) else value

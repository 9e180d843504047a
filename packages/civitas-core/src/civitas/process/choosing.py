"""`choose`: from the word that a user writes to the member of an enum."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.message.envelope import shown

__all__ = ["choose"]

_Word = TypeVar("_Word", bound=StrEnum)


def choose(kind: type[_Word], value: object, what: str) -> _Word:
    """The member of `kind` that `value` names, in any case; otherwise `ConfigurationError` with the nearest."""
    if isinstance(value, kind):
        return value
    words = [member.value for member in kind]
    if isinstance(value, str):
        for member in kind:
            if value.casefold() in (member.value.casefold(), member.name.casefold()):
                return member
        hint = did_you_mean(value, words)
    else:
        hint = ""
    raise ConfigurationError(f"{what} must be one of {', '.join(words)}; got {shown(value)}{hint}")

"""Which keywords a constructor takes, found without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Keywords", "keywords_of"]


@dataclass(frozen=True, slots=True)
class Keywords:
    """What a constructor takes.

    Attributes:
        names: Every keyword, those that it hands on with `**keywords` included.
        required: Those without a default in its own signature.
        hands_on: Whether it takes `**keywords`.
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    hands_on: bool


def keywords_of(kind: Callable[..., Any]) -> Keywords:
    """The keywords of a class, followed through `**keywords` to its bases, or of a function."""
    names: dict[str, None] = {}
    required: list[str] = []
    hands_on = False
    for place, function in enumerate(_constructors(kind)):
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            return Keywords(tuple(names), tuple(required), True)  # written in C: it checks itself
        if isinstance(kind, type):
            parameters = parameters[1:]  # self
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                names[parameter.name] = None
                if place == 0 and parameter.default is parameter.empty:
                    required.append(parameter.name)
        further = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        hands_on = hands_on or further
        if not further:
            break
    return Keywords(tuple(names), tuple(required), hands_on)


def _constructors(kind: Callable[..., Any]) -> list[Callable[..., Any]]:
    if not isinstance(kind, type):
        return [kind]
    return [vars(each)["__init__"] for each in kind.__mro__[:-1] if "__init__" in vars(each)]

"""What is wrong with a topology, in words that help to fix it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from civitas.errors import TopologyError
from civitas.errors.hints import did_you_mean

__all__ = ["Problem", "named_in", "topology_error", "unknown_word"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        text: What, and what to write instead.
        line: Where, counted from 1; None if there is no file.
    """

    text: str
    line: int | None = None


def topology_error(problems: Iterable[Problem], file: str | None) -> TopologyError:
    """One error for all problems of a file, in the order of its lines; `.line` is that of the first."""
    first, *others = sorted(set(problems), key=lambda problem: (problem.line or 0, problem.text))
    text = first.text
    for other in others:
        where = f"{file}:{other.line}: " if file and other.line else ""
        text += f"\n{where}{other.text}"
    return TopologyError(text, file=file, line=first.line)


def unknown_word(what: str, word: object, words: Iterable[str], where: str = "") -> str:
    """`unknown key 'nme' in an agent; did you mean 'name'? Known: name, type`."""
    words = list(words)
    hint = did_you_mean(word, words) or "."
    place = f" in {where}" if where else ""
    return f"unknown {what} {word!r}{place}{hint} Known: {', '.join(words) or 'none'}"


def named_in(text: str, keys: Iterable[str]) -> str | None:
    """The one of `keys` that an error names first."""
    places = {key: re.search(rf"\b{re.escape(key)}\b", text) for key in keys}
    found = {key: match.start() for key, match in places.items() if match}
    return min(found, key=found.__getitem__, default=None)

"""What is wrong with a topology, in words that help to fix it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from civitas.errors import TopologyError

__all__ = ["Problem", "did_you_mean", "named_in", "nearest", "topology_error", "unknown_word"]


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


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """`; did you mean 'near'?`, or nothing if no word is near."""
    near = nearest(word, words)
    return f"; did you mean {near!r}?" if near else ""


def nearest(word: object, words: Iterable[object]) -> str:
    """The one of `words` that is nearest to `word`, or nothing if none is near."""
    known = {str(each).lower(): str(each) for each in words}
    sought = str(word).lower()
    near = difflib.get_close_matches(sought, list(known), 1)
    if not near and len(sought) > 2:
        near = [each for each in known if each.startswith(sought)]  # `drain` for `drain_timeout`
    return known[near[0]] if near else ""


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

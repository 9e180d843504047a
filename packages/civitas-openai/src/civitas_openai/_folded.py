"""Plain data in which parts appear again and again, such as the SDK's `RunState`, in a form that has each part once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import groupby
from typing import Any

from civitas.frameworks.plain_data import copied

__all__ = ["fold", "unfold"]

_SAME, _SPAN, _OWN = "=", "=..", "'"
"""The keys of what stands for a part that is somewhere else, for a row of such parts, and for a dict with such keys."""
_SHORT = 32
"""Characters that are not worth pointing at."""

_Path = tuple[Any, ...]


def fold(value: Any, known: list[Any]) -> Any:
    """`value`, with a pointer for each part that is in `known` or came before.

    Args:
        value: Plain data, as JSON has it.
        known: What whoever unfolds it has.
    """
    folding = _Folding()
    folding.note(known, (0,))
    return folding.fold(value, (1,))


def unfold(folded: Any, known: list[Any]) -> Any:
    """The value that `fold` was given; nothing of it is shared with `known`."""
    roots: list[Any] = [known, None]

    def put(each: Any, place: Any, key: Any) -> None:
        """Unfold `each` into `place[key]`; what comes after may point into what is done of it."""
        if isinstance(each, list):
            made: list[Any] = []
            _set(place, key, made)
            for item in each:
                if isinstance(item, dict) and _SPAN in item:
                    *path, begin, end = item[_SPAN]
                    made.extend(copied(_at(roots, path)[begin:end]))
                else:
                    put(item, made, None)
        elif not isinstance(each, dict):
            _set(place, key, each)
        elif _SAME in each:
            _set(place, key, copied(_at(roots, each[_SAME])))
        else:
            inner: dict[str, Any] = {}
            _set(place, key, inner)
            for name, item in each.get(_OWN, each).items():
                put(item, inner, name)

    put(folded, roots, 1)
    return roots[1]


class _Folding:
    """Knows each part by a number, and where it came first."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._sizes: list[int] = []
        self._of: dict[
            int, int
        ] = {}  # by the identity of a dict or list, all of which outlive this
        self._first: dict[int, _Path] = {}

    def note(self, value: Any, path: _Path) -> None:
        """`value` is there under `path`."""
        if not self._came(value, path):
            for key, each in _parts(value):
                self.note(each, (*path, key))

    def fold(self, value: Any, path: _Path) -> Any:
        """`value`, which is there under `path`, with pointers."""
        number = self._number(value)
        before = self._first.get(number)
        if before is not None and self._sizes[number] >= _SHORT:
            return {_SAME: list(before)}
        self._first.setdefault(number, path)
        if isinstance(value, list):
            return list(_spans(self.fold(each, (*path, at)) for at, each in enumerate(value)))
        if not isinstance(value, dict):
            return value
        folded = {key: self.fold(each, (*path, key)) for key, each in value.items()}
        return {_OWN: folded} if {_SAME, _SPAN, _OWN} & folded.keys() else folded

    def _came(self, value: Any, path: _Path) -> bool:
        """Whether the same came before; it is noted."""
        number = self._number(value)
        return self._first.setdefault(number, path) is not path

    def _number(self, value: Any) -> int:
        """The number of a part, the same for parts that are the same."""
        if not isinstance(value, (dict, list)):
            what = value if isinstance(value, Hashable) else id(value)
            return self._known((type(value), what), len(value) if isinstance(value, str) else 1)
        number = self._of.get(id(value))
        if number is None:
            parts = [(key, self._number(each)) for key, each in _parts(value)]
            size = sum(len(str(key)) + self._sizes[each] for key, each in parts)
            number = self._of[id(value)] = self._known((type(value), *parts), size)
        return number

    def _known(self, what: tuple[Any, ...], size: int) -> int:
        number = self._numbers.setdefault(what, len(self._sizes))
        if number == len(self._sizes):
            self._sizes.append(size)
        return number


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _spans(folded: Iterator[Any]) -> Iterator[Any]:
    """Pointers to parts of a list that stand behind each other, as one."""
    for (path, _), row in groupby(enumerate(folded), _row):
        some = [each for _, each in row]
        if path is None or len(some) == 1:
            yield from some
        else:
            begin = some[0][_SAME][-1]
            yield {_SPAN: [*path, begin, begin + len(some)]}


def _row(numbered: tuple[int, Any]) -> tuple[Any, int]:
    """The same for items that point to parts which stand behind each other."""
    at, each = numbered
    if isinstance(each, dict) and _SAME in each and isinstance(each[_SAME][-1], int):
        *path, index = each[_SAME]
        return tuple(path), index - at
    return None, 0


def _at(roots: list[Any], path: list[Any]) -> Any:
    found: Any = roots
    for key in path:
        found = found[key]
    return found


def _set(place: Any, key: Any, value: Any) -> None:
    if key is None:
        place.append(value)
    else:
        place[key] = value

"""What the body of a frame or a call must look like, checked once, where it comes in.

A frame comes from another version, or from somebody who knows what a node of the system knows and sends rubbish. What
does not have its shape is passed over, so that everything behind the door can rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from civitas.events import EVENT_TYPES, DeadLetterReason
from civitas.message.large import Large
from civitas.process import ExitKind, Status

__all__ = [
    "ANY",
    "BURIED",
    "BYTES",
    "COUNT",
    "COUNTS",
    "DOING",
    "DOINGS",
    "ERROR",
    "EVENT",
    "FACTS",
    "FIGURES",
    "FLAG",
    "GLANCE",
    "MAP",
    "MAYBE_MOMENT",
    "MAYBE_TEXT",
    "MOMENT",
    "NOTHING",
    "PARCEL",
    "PATH",
    "REASON",
    "REPORT",
    "SPANS",
    "TEXT",
    "TEXTS",
    "TEXTS_BY_TEXT",
    "VALUES",
    "Field",
    "Shape",
]

Check: TypeAlias = Callable[[Any], object]
Field: TypeAlias = tuple[tuple[type, ...], Check | frozenset[type] | None]
"""The types that a field may have, and what else must hold: a check, or which type all in it have."""

_NONE = type(None)
_TEXTS = frozenset({str})
_NUMBERS = frozenset({int, float})
_COUNTS = range(2**31)
_EXITS = frozenset(str(each) for each in ExitKind)
_STATUSES = frozenset(str(each) for each in Status)
_REASONS = frozenset(str(each) for each in DeadLetterReason)
_FAILURE = (str, str, str)
"""Its type, its text, its traceback."""
_CONVERSATION = (str, str, int, int)
"""Name, status, restarts, and what waits in its mailbox."""
_REMEMBERED = 64
"""Of so many combinations of types a shape knows that they fit, so that it need not look again."""


class Shape:
    """The shape of a body: its fields, in order; what comes behind them is of a newer version.

    Args:
        *fields: What each must be.
        optional: How many of the last may be missing.
    """

    __slots__ = ("_alike", "_deep", "_fields", "_known", "least", "most", "sure")

    def __init__(self, *fields: Field, optional: int = 0) -> None:
        self.most = len(fields)
        self.least = len(fields) - optional
        self._fields = fields
        self._deep: list[tuple[int, Check]] = []
        self._alike: list[tuple[int, frozenset[type]]] = []
        for place, (_, check) in enumerate(fields):
            if isinstance(check, frozenset):
                self._alike.append((place, check))
            elif check is not None:
                self._deep.append((place, check))
        self._known: set[tuple[type, ...]] = set()
        self.sure: Collection[tuple[type, ...]] = () if self._deep or self._alike else self._known
        """Combinations of types that fit whatever the values are; who looks here first spares a call of `fits`."""

    def fits(self, body: Sequence[Any]) -> bool:
        """Whether a body has this shape."""
        types = tuple(map(type, body))
        if types not in self._known and not self._learn(types):
            return False
        # A generator would be one more call for each frame.
        for place, check in self._deep:
            if place < len(body) and not check(body[place]):
                return False
        for place, kind in self._alike:
            if place < len(body) and not kind.issuperset(map(type, body[place])):
                return False
        return True

    def _learn(self, types: tuple[type, ...]) -> bool:
        if len(types) < self.least:
            return False
        if not all(type in fine for type, (fine, _) in zip(types, self._fields, strict=False)):
            return False
        if len(self._known) < _REMEMBERED:
            self._known.add(types)
        return True


def _is_path(path: list[Any]) -> bool:
    return len(path) > 1 and _TEXTS.issuperset(map(type, path))


def _is_error(plain: dict[str, Any]) -> bool:
    if not (type(plain.get("type")) is str and type(plain.get("text")) is str):
        return False
    if type(plain.get("trace", "")) is not str:
        return False
    facts = plain.get("facts") or {}
    if type(facts) is not dict:
        return False
    inner = (each.get("error") for each in facts.values() if type(each) is dict)
    return all(type(each) is dict and _is_error(each) for each in inner)


def _is_reason(plain: dict[str, Any]) -> bool:
    headers, failure = plain.get("headers"), plain.get("failure")
    return (
        plain.get("kind") in _EXITS
        and (failure is None or (type(failure) is list and tuple(map(type, failure)) == _FAILURE))
        and (headers is None or (type(headers) is dict and _are_texts(headers)))
        and type(plain.get("at")) in (int, _NONE)
        and type(plain.get("incident", "")) is str
    )


def _are_texts(headers: dict[Any, Any]) -> bool:
    return _TEXTS.issuperset(map(type, (*headers, *headers.values())))


def _are_texts_by_text(several: dict[Any, Any]) -> bool:
    return _TEXTS.issuperset(map(type, several)) and all(
        type(texts) is list and _TEXTS.issuperset(map(type, texts)) for texts in several.values()
    )


def _are_counts(counts: dict[Any, Any]) -> bool:
    return all(type(name) is str for name in counts) and all(
        type(count) is int and count in _COUNTS for count in counts.values()
    )


def _are_figures(figures: list[Any]) -> bool:
    return all(map(_is_figure, figures))


def _is_figure(figure: Any) -> bool:
    if not (type(figure) is list and len(figure) == 3):
        return False
    name, attributes, amounts = figure
    if not (type(name) is str and type(attributes) is dict and type(amounts) is list):
        return False
    return _TEXTS.issuperset(map(type, attributes)) and _NUMBERS.issuperset(map(type, amounts))


def _is_state(state: Any) -> bool:
    if type(state) is int:
        return True
    if type(state) is not list or tuple(map(type, state)) != (list, list):
        return False
    changed, asleep = state
    return _TEXTS.issuperset(map(type, asleep)) and all(
        type(each) is list and tuple(map(type, each)) == _CONVERSATION and each[1] in _STATUSES
        for each in changed
    )


def _is_report(report: dict[Any, Any]) -> bool:
    return all(type(name) is str and _is_state(state) for name, state in report.items())


_STEPS = {
    (str, str, float, seconds, bytes, bool, str)
    for seconds in (float, type(None))
    for bytes in (int, type(None))
}
"""The types of what is said of a step."""


def _is_doing(told: Any) -> bool:
    """Whether it is what `Cell.doing` makes."""
    if type(told) is not dict:
        return False
    usage, asks = told.get("usage", [0] * 4), told.get("asks", [])
    return (
        type(told.get("message")) is str
        and type(told.get("given", 1)) is int
        and type(told.get("step", "")) is str
        and all(type(told.get(key, 0.0)) is float for key in ("moved", "retry_at"))
        and type(usage) is list
        and tuple(map(type, usage)) == (int,) * 4
        and type(asks) is list
        and _TEXTS.issuperset(map(type, asks))
        and type(told.get("usd", 0.0)) is float
        and _are_steps(told.get("steps", []))
    )


def _are_steps(steps: Any) -> bool:
    """Whether it is what `Trail.plain` makes."""
    return type(steps) is list and all(
        type(each) is list and _STEPS.issuperset([tuple(map(type, each))]) for each in steps
    )


def _is_glance(told: dict[Any, Any]) -> bool:
    """Whether it is what `Glances.told` makes."""
    agents, gone = told.get("agents"), told.get("gone")
    return (
        type(told.get("version")) is int
        and type(told.get("whole")) is bool
        and type(told.get("node")) is dict
        and type(agents) is list
        and all(type(each) is dict and type(each.get("name")) is str for each in agents)
        and type(gone) is list
        and _TEXTS.issuperset(map(type, gone))
    )


def _are_buried(told: list[Any]) -> bool:
    return all(
        type(each) is list
        and len(each) == 3
        and each[0] in _REASONS
        and type(each[1]) is float
        and type(each[2]) is bytes
        for each in told
    )


def _are_doings(doings: dict[Any, Any]) -> bool:
    return all(type(id) is str and _is_doing(told) for id, told in doings.items())


ANY: Field = ((str, bytes, int, float, bool, _NONE, list, dict), None)
NOTHING: Field = ((_NONE,), None)
TEXT: Field = ((str,), None)
MAYBE_TEXT: Field = ((str, _NONE), None)
BYTES: Field = ((bytes, Large), None)
FLAG: Field = ((bool,), None)
COUNT: Field = ((int,), _COUNTS.__contains__)
MOMENT: Field = ((float, int), None)
MAYBE_MOMENT: Field = ((float, int, type(None)), None)
TEXTS: Field = ((list,), _TEXTS)
PATH: Field = ((list,), _is_path)
TEXTS_BY_TEXT: Field = ((dict,), _are_texts_by_text)
VALUES: Field = ((list,), None)
FIGURES: Field = ((list,), _are_figures)
SPANS: Field = ((list,), frozenset({dict}))
PARCEL: Field = ((list,), frozenset({bytes}))
MAP: Field = ((dict,), _TEXTS)
COUNTS: Field = ((dict,), _are_counts)
ERROR: Field = ((dict,), _is_error)
REASON: Field = ((dict,), _is_reason)
REPORT: Field = ((dict,), _is_report)
DOING: Field = ((dict,), _is_doing)
DOINGS: Field = ((dict,), _are_doings)
BURIED: Field = ((list,), _are_buried)
GLANCE: Field = ((dict,), _is_glance)
EVENT: Field = ((str,), EVENT_TYPES.__contains__)
_FACTS = Shape(
    *(TEXT, TEXT, MAYBE_TEXT, TEXT, COUNT, TEXT, COUNT, TEXT, COUNT, TEXT, TEXT, FLAG), optional=1
)
FACTS: Field = ((list,), _FACTS.fits)

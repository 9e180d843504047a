"""`KeptContext`: what a framework hands to the tools of a run as its context, and what of it is kept."""

from __future__ import annotations

import dataclasses
import typing
from bisect import insort
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from civitas.errors import PayloadError
from civitas.frameworks.apart import apart, together
from civitas.frameworks.plain_data import copied, plain

__all__ = ["KeptContext"]

_LIST = "items"
_STATE = "state"


class KeptContext:
    """A context whose plain parts are kept.

    Those are the fields of a dataclass, of a pydantic model or of any other object, and the items of a dict or of a
    list. What is not plain data, such as a client, stays as it was made.

    Args:
        value: The context.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._made: dict[str, Any] = {}
        self._begin: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._changes: list[dict[str, Any]] = []
        self._number = 0

    def state(self) -> dict[str, Any]:
        """The plain parts."""
        state = {}
        for name, part in _parts(self.value).items():
            try:
                state[name] = plain(part)
            except PayloadError:
                continue
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the plain parts to those of `state`, each in the class that the context declares for it.

        What is as in `state` already is left as it is.
        """
        now, parts = self.state(), _parts(self.value)
        other = {name: each for name, each in state.items() if name not in now or now[name] != each}
        typed = {name: _typed(self.value, name, each, parts) for name, each in other.items()}
        _put(self.value, typed, [name for name in now if name not in state])
        self._last = self._apart()

    def begin(self, changed: Mapping[str, Any] | None = None) -> None:
        """A run begins: `change` counts from now on.

        Args:
            changed: What `changed` told when it stopped, if it goes on with a context that was made again.
        """
        self._made = self.state()
        if changed:
            self.restore(copied(_changed(self._made, changed)))
        self._begin = self._last = self._apart()

    def changed(self) -> dict[str, Any]:
        """What is other than in the context as it was made, for `begin`; what nobody changed is not in it."""
        return _difference(self._made, self.state())

    def change(self) -> dict[str, Any] | None:
        """What to record for `replay`; None if nothing changed."""
        state = self._apart()
        changed = _difference(self._last, state)
        if not changed:
            return None
        self._last = state
        self._number += 1
        self._changes.append({"number": self._number, **changed})
        return self._changes[-1]

    def replay(self, change: Mapping[str, Any] | None) -> None:
        """Let a call that is not made again change the context as it did then."""
        if change is None:
            return
        # Calls that were made at once may be replayed in another order than they ended in.
        late = change["number"] < self._number
        insort(self._changes, dict(change), key=itemgetter("number"))
        self._number = self._changes[-1]["number"]
        parts = self._begin if late else self._last
        for each in self._changes if late else [change]:
            parts = _changed(parts, each)
        self.restore(copied(together(_STATE, parts)))

    def _apart(self) -> dict[str, Any]:
        return apart(_STATE, self.state())


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What makes `after` of `before`; lists are appended to where that is all."""
    put: dict[str, Any] = {}
    added: dict[str, Any] = {}
    for name, value in after.items():
        old = before.get(name)
        if name in before and value == old:
            continue
        if isinstance(old, list) and isinstance(value, list) and value[: len(old)] == old:
            added[name] = value[len(old) :]
        else:
            put[name] = value
    gone = [name for name in before if name not in after]
    found = {"put": put, "added": added, "gone": gone}
    return {name: each for name, each in found.items() if each}


def _changed(parts: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    if _STATE in change:  # what an earlier version recorded
        return apart(_STATE, change[_STATE])
    changed = {name: each for name, each in parts.items() if name not in change.get("gone", ())}
    changed.update(change.get("put", {}))
    for name, more in change.get("added", {}).items():
        changed[name] = [*changed.get(name, ()), *more]
    return changed


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if isinstance(name, str)}
    if isinstance(value, list):
        return {_LIST: value}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    return dict(getattr(value, "__dict__", {}))


def _put(value: Any, parts: Mapping[str, Any], gone: Iterable[str]) -> None:
    if isinstance(value, list):
        if parts:
            value[:] = parts[_LIST]
        return
    if isinstance(value, dict):
        for name in gone:
            del value[name]
        value.update(parts)
        return
    for name, part in parts.items():
        # Past what freezes or checks it: these are values that it had.
        object.__setattr__(value, name, part)


def _typed(value: Any, name: str, data: Any, now: Mapping[str, Any]) -> Any:
    """`data` in the class that the context declares for `name`, or that its value has."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        hint = typing.get_type_hints(type(value), include_extras=True).get(name)
    except (NameError, TypeError):
        hint = None
    if hint is None:
        present = now.get(name)
        if present is None or isinstance(present, (str, int, float, bytes, dict, list)):
            return data
        hint = type(present)
    try:
        return TypeAdapter(hint).validate_python(data)
    except (PydanticUserError, ValueError, TypeError, NameError):
        return data

"""`Part`: one named thing of what an adapter runs; and what differs between the parts of then and of now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Difference", "Part", "differences", "fingerprint", "in_words", "name_of", "read_parts"]

_MARK = "#"
"""What a fingerprint begins with; any other value of a part is told as it is."""

_TOLD = 8
"""So many differences are told by name."""

_VALUE_OF = {
    "channel": "the kind of channel",
    "task": "the agent of task",
    "tool": "the parameters of tool",
}
"""What the value of a part is, where that is not the part itself."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that has a name, of what an adapter runs.

    Attributes:
        kind: What it is, in a word: `node`, `tool`, `instructions`.
        name: Its name; empty for what its owner has one of.
        of: Whose it is: the name of another part; below that, with a `/` between. Empty if it is nobody's.
        value: What a run relies on beside the name: a short text, or a `fingerprint`.
        loose: Whether a run may go on if it is another one: words for a model, and no structure.
    """

    kind: str
    name: str
    of: str = ""
    value: str = ""
    loose: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """By which it is found again."""
        return self.kind, self.name, self.of

    @property
    def path(self) -> str:
        """What is below it says this as `of`."""
        return f"{self.of}/{self.name}" if self.of else self.name

    def plain(self) -> list[Any]:
        """As plain data, for `read_parts`."""
        return [self.kind, self.name, self.of, self.value, self.loose]


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one part.

    Attributes:
        part: It; as it is now, unless it is gone.
        what: What became of it.
        before: Its value before.
        text: The same in words.
    """

    part: Part
    what: Literal["gone", "new", "changed"]
    before: str
    text: str

    @property
    def breaks(self) -> bool:
        """Whether a run may still need what is not there any more."""
        return self.what != "new" and not self.part.loose


def read_parts(rows: Iterable[Sequence[Any]]) -> list[Part]:
    """The parts of which these are the plain data."""
    return [Part(*row[:5]) for row in rows]


def fingerprint(value: Any) -> str:
    """What tells a value from others, and is shorter: of text, or of what JSON can say."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=name_of)
    return _MARK + hashlib.sha256(text.encode()).hexdigest()[:16]


def name_of(value: Any) -> str:
    """The name of a function or a class; of any other object, that of its class."""
    named: Any = value if hasattr(value, "__qualname__") else getattr(value, "func", None)
    if not hasattr(named, "__qualname__"):
        named = type(value)
    return f"{named.__module__}.{named.__qualname__}"


def differences(before: Iterable[Part], after: Iterable[Part]) -> list[Difference]:
    """What differs, in the order of the parts; of what is gone or new as a whole, nothing that is below it."""
    old, new = ({part.key: part for part in parts} for parts in (before, after))
    gone = [part for key, part in old.items() if key not in new]
    come = [part for key, part in new.items() if key not in old]
    changed = [part for key, part in new.items() if key in old and old[key].value != part.value]
    tell = _Telling([*old.values(), *new.values()])
    found = [Difference(part, "gone", part.value, tell.gone(part)) for part in _top(gone)]
    found += [Difference(part, "new", "", tell.new(part)) for part in _top(come)]
    for part in changed:
        value = old[part.key].value
        found.append(Difference(part, "changed", value, tell.changed(part, value)))
    return found


def in_words(found: Sequence[Difference | str]) -> str:
    """Differences as a text, on one line."""
    texts = [each if isinstance(each, str) else each.text for each in found]
    more = len(texts) - _TOLD
    return "; ".join([*texts[:_TOLD], *([f"and {more} more"] if more > 0 else ())])


def _top(parts: Collection[Part]) -> list[Part]:
    """Those that are below none of the others."""
    owners = {part.path for part in parts if part.name}

    def is_below(part: Part) -> bool:
        above = part.of.split("/")
        return any("/".join(above[:n]) in owners for n in range(1, len(above) + 1))

    return [part for part in parts if not (part.of and is_below(part))]


class _Telling:
    """Says what differs; whose a part is only if others of its kind have the same name."""

    def __init__(self, parts: Iterable[Part]) -> None:
        owners: dict[tuple[str, str], set[str]] = {}
        for part in parts:
            owners.setdefault((part.kind, part.name), set()).add(part.of)
        self._owners: Mapping[tuple[str, str], Collection[str]] = owners

    def gone(self, part: Part) -> str:
        return f"{self._called(part, part.kind)} is gone"

    def new(self, part: Part) -> str:
        return f"{self._called(part, part.kind)} is new"

    def changed(self, part: Part, before: str) -> str:
        called = self._called(part, _VALUE_OF.get(part.kind, part.kind))
        if before.startswith(_MARK) or part.value.startswith(_MARK):
            return f"{called} changed"
        return f"{called} changed from {before or None!r} to {part.value or None!r}"

    def _called(self, part: Part, kind: str) -> str:
        if not part.name:
            return f"{kind} of {part.of!r}" if part.of else kind
        whose = part.of and len(self._owners[part.kind, part.name]) > 1
        return f"{kind} {part.name!r}{f' of {part.of!r}' if whose else ''}"

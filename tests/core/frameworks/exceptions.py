"""The exception classes that an installed package defines, and those of them that a table does not place."""

from __future__ import annotations

import builtins
import fnmatch
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from civitas.frameworks import Outcome
from civitas.frameworks.outcomes import _DETERMINISTIC, OUTCOMES, _placed

_CLASS = re.compile(r"^\s*class (\w+)\(([^)]*)\):", re.MULTILINE)


def _is_builtin(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def exceptions(*packages: str) -> dict[str, list[str]]:
    """For each module of those packages that are installed, the names of the exception classes it defines.

    The source is read and nothing imported: most modules of a framework want something that is not installed.
    """
    found = [each for package in packages for each in _classes(package)]
    known: set[str] = set()
    while True:
        more = {
            name
            for _, name, bases in found
            if name not in known and any(_is_builtin(base) or base in known for base in bases)
        }
        if not more:
            break
        known |= more
    modules: dict[str, list[str]] = {}
    for module, name, _ in found:
        if name in known:
            modules.setdefault(module, []).append(name)
    return modules


def _classes(package: str) -> Iterator[tuple[str, str, list[str]]]:
    spec = find_spec(package)
    if spec is None:
        return
    for root in map(Path, spec.submodule_search_locations or ()):
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            module = ".".join((package, *parts)).removesuffix(".__init__")
            for name, bases in _CLASS.findall(path.read_text(encoding="utf-8")):
                yield module, name, [base.strip().split(".")[-1] for base in bases.split(",")]


def shown(where: str) -> dict[Outcome, list[str]]:
    """What the page says of exceptions: for each outcome, the names in the rows of `where`."""
    page = Path(__file__).parents[3] / "docs/reference/adapters.md"
    rows = re.findall(rf"^\| {where} \| `(\w+)` \| (.*) \|$", page.read_text(), re.MULTILINE)
    return {Outcome[outcome]: re.findall(r"`(\w+)`", names) for outcome, names in rows}


def public(own: Mapping[str, Outcome]) -> dict[Outcome, list[str]]:
    """What a table says of exceptions that somebody may catch: for each outcome, their bare names in order."""
    found: dict[Outcome, list[str]] = {}
    for name, outcome in own.items():
        bare = name.rpartition(".")[2]
        if bare != "*" and not bare.startswith("_"):
            found.setdefault(outcome, []).append(bare)
    return {outcome: sorted(names, key=str.lower) for outcome, names in found.items()}


def is_placed(kind: type[Exception], own: Mapping[str, Outcome]) -> bool:
    """Whether somebody decided what `kind` means: an entry, an HTTP status that it has, or what Python says of it."""
    full = f"{kind.__module__}.{kind.__qualname__}"
    return (
        full in own
        or full in OUTCOMES
        or _placed(kind, own) is not Outcome.UNKNOWN
        or any("status_code" in inspect.get_annotations(each) for each in kind.__mro__)
        or issubclass(kind, (*_DETERMINISTIC, Warning))
    )


def unplaced(own: Mapping[str, Outcome], *packages: str) -> list[str]:
    """The exception classes of these packages that neither `own` nor the table of all frameworks places."""
    wild = [name for name in (*own, *OUTCOMES) if name.endswith("*")]
    left: list[str] = []
    for module, names in exceptions(*packages).items():
        if any(fnmatch.fnmatch(f"{module}.", name) for name in wild):
            continue
        try:
            defined = vars(importlib.import_module(module))
        except ImportError:  # it wants what is not installed, so nobody can raise what it defines
            continue
        for name in names:
            kind = defined.get(name)  # a class in a function is that function's affair
            if isinstance(kind, type) and issubclass(kind, Exception) and not is_placed(kind, own):
                left.append(f"{module}.{name}")
    return left

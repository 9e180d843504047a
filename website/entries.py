"""An entry of the API: what Sphinx's directives for Python objects say of one public name and what it has."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import griffe

from website.delegates import delegates
from website.docstrings import attributes, written
from website.signatures import bases, one_line, parents, real, signature

__all__ = ["entry"]

_CONTRACTS = {"FrameworkAgent"}  # for authors of adapters, whom the guide on plugins tells more
_ENUMERATIONS = {"Enum", "IntEnum", "StrEnum"}


def entry(found: griffe.Object, public: Container[str]) -> str:
    """The Markdown for a class, a function or a value; `public` has all the names that people may use."""
    match found:
        case griffe.Class():
            return _class(found, public)
        case griffe.Function():
            return _function(found.name, found, found.docstring)
        case _:
            return _directive("py:data", found.name, written(found.docstring))


def _directive(kind: str, argument: str, text: str, inside: str = "", **options: str | bool) -> str:
    ticks = "`" * (6 if inside else 5)
    flags = [
        f":{name.replace('_', '-')}:{'' if value is True else f' {value}'}"
        for name, value in options.items()
        if value
    ]
    body = "\n".join([*flags, "", text, "", inside]).strip("\n")
    return f"{ticks}{{{kind}}} {argument}\n{body}\n{ticks}\n"


def _class(found: griffe.Class, public: Container[str]) -> str:
    names = bases(found, public)
    init = None
    if not _is_enumeration(found) and "__init__" in found.all_members:
        init = real(found.all_members["__init__"])
    if isinstance(init, griffe.Function) and _ours(init):
        made = signature(init, bound=True).removesuffix(" -> None")
        text = written(found.docstring, init.docstring)
    else:
        made, text = "", written(found.docstring)
    if names:
        text = f"Bases: {', '.join(f'`{name}`' for name in names)}\n\n{text}"
    kind = "exception" if found.canonical_path.startswith("civitas.errors.") else "class"
    return _directive(f"py:{kind}", found.name + made, text, "\n".join(_inside(found, public)))


def _ours(member: griffe.Object) -> bool:
    return member.canonical_path.startswith("civitas")


def _is_enumeration(found: object) -> bool:
    return isinstance(found, griffe.Class) and bool(set(bases(found, ())) & _ENUMERATIONS)


def _inside(found: griffe.Class, public: Container[str]) -> Iterator[str]:
    told = {each.name: each for each in attributes(found)}
    for name, each in told.items():
        annotation = each.annotation or getattr(found.all_members.get(name), "annotation", None)
        yield _attribute(name, each.description, type=one_line(annotation))
    elsewhere = _described_elsewhere(found, public)
    for name, alias in {**found.members, **found.inherited_members}.items():
        member = real(alias)
        docstring = member.docstring or _promised(found, name)
        if name.startswith("_") or name in told or name in elsewhere or docstring is None:
            continue
        match member:
            case griffe.Function():
                yield _function(name, member, docstring, method=True)
            case griffe.Attribute():
                kind = "py:property" if "property" in member.labels else "py:attribute"
                value = one_line(member.value) if _is_enumeration(member.parent) else ""
                annotation = one_line(member.annotation)
                yield _attribute(name, written(docstring), kind, type=annotation, value=value)
    for name, function in delegates(found):
        yield _function(name, function, function.docstring, method=True)


def _described_elsewhere(found: griffe.Class, public: Container[str]) -> set[str]:
    """The names that a base has an entry of its own for."""
    names: set[str] = set()
    for base in parents(found):
        if base.name in public or base.name in _CONTRACTS:
            names |= set(base.all_members)
        else:
            names |= _described_elsewhere(base, public)
    return names


def _attribute(name: str, text: str, kind: str = "py:attribute", **options: str) -> str:
    return _directive(kind, name, text, no_contents_entry=True, **options)


def _function(
    name: str,
    function: griffe.Function,
    docstring: griffe.Docstring | None,
    *,
    method: bool = False,
) -> str:
    labels = function.labels
    own = method and "staticmethod" not in labels
    options: dict[str, Any] = {"async": "async" in labels}
    if method:
        options |= {label: label in labels for label in ("classmethod", "staticmethod")}
    return _directive(
        "py:method" if method else "py:function",
        name + signature(function, bound=own),
        written(docstring),
        **options,
    )


def _promised(found: griffe.Class, name: str) -> griffe.Docstring | None:
    """What the class says that promised a method, if the class that has it says nothing itself."""
    inherited = (base.members.get(name) for base in found.mro())
    return next((each.docstring for each in inherited if each and each.docstring), None)

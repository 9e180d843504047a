"""Signatures and bases as the directives of the Python domain want them: one line of Python."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

import griffe

__all__ = ["bases", "one_line", "parents", "real", "signature"]

_STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}


def real(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """The object itself, where a name was imported or inherited."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def signature(function: griffe.Function, *, bound: bool = False) -> str:
    """Its parameters and what it returns; without the first parameter if that is the object itself."""
    parameters = list(function.parameters)
    if bound and parameters and parameters[0].name in {"self", "cls"}:
        del parameters[0]
    returns = f" -> {one_line(function.returns)}" if function.returns is not None else ""
    return f"({', '.join(_parameters(parameters))}){returns}"


def _parameters(parameters: Iterable[griffe.Parameter]) -> Iterator[str]:
    kinds = griffe.ParameterKind
    previous = None
    for each in parameters:
        if previous is kinds.positional_only and each.kind is not previous:
            yield "/"
        if each.kind is kinds.keyword_only and previous not in (
            kinds.keyword_only,
            kinds.var_positional,
        ):
            yield "*"
        previous = each.kind
        yield _parameter(each)
    if previous is kinds.positional_only:
        yield "/"


def _parameter(each: griffe.Parameter) -> str:
    stars = _STARS.get(each.kind, "") if each.kind is not None else ""
    text = stars + each.name
    if each.annotation is not None:
        text += f": {one_line(each.annotation)}"
    if each.default is not None and not stars:
        text += f"{' = ' if each.annotation is not None else '='}{one_line(each.default)}"
    return text


def bases(found: griffe.Class, public: Container[str]) -> list[str]:
    """The classes that it is made of; in place of one of ours that is not public, what that is made of."""
    ours = {base.name: base for base in parents(found) if base.path.startswith("civitas")}
    names = []
    for base in found.bases:
        name = base if isinstance(base, str) else base.canonical_name
        if name in ours and name not in public:
            names += bases(ours[name], public)
        else:
            names.append(one_line(base))
    return names


def parents(found: griffe.Class) -> list[griffe.Class]:
    """The classes that it is made of, of those that were read."""
    known = [real(each) for each in found.resolved_bases]
    return [each for each in known if isinstance(each, griffe.Class)]


def one_line(expression: str | griffe.Expr | None) -> str:
    """An annotation or a default as it is written; empty if there is none."""
    return "" if expression is None else " ".join(str(expression).split())

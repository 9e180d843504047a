"""Methods that a constructor takes from a part: `self.replay = dead.replay`, after `dead = DeadLetters(...)`."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

import griffe

from website.signatures import real

__all__ = ["delegates"]


def delegates(found: griffe.Class) -> Iterator[tuple[str, griffe.Function]]:
    """The name that each has in the class, and the method of the part."""
    init = found.members.get("__init__")
    if not isinstance(init, griffe.Function):
        return
    classes: dict[str, str] = {}
    for node in ast.walk(ast.parse(textwrap.dedent(init.source))):
        match node:
            case ast.Assign(targets=[ast.Name(id=part)], value=ast.Call(func=ast.Name(id=name))):
                classes[part] = name
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=True):
                    yield from _one(found, classes, target, value)
            case ast.Assign(targets=[target], value=value):
                yield from _one(found, classes, target, value)


def _one(
    found: griffe.Class, classes: dict[str, str], target: ast.expr, value: ast.expr
) -> Iterator[tuple[str, griffe.Function]]:
    match target, value:
        case ast.Attribute(attr=name), ast.Attribute(value=ast.Name(id=part), attr=method):
            if part in classes and not name.startswith("_"):
                owner = real(found.modules_collection[found.resolve(classes[part])])
                function = owner.members.get(method)
                if isinstance(function, griffe.Function):
                    yield name, function

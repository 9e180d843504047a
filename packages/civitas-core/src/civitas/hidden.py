"""A module beside a program that hides another of its name: the commonest cause of an import that fails."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

__all__ = ["hides"]


def hides(error: BaseException) -> str:
    """What to do where `error` comes of a user's module that took the place of another; empty where it does not."""
    name, path = _about(error)
    if not name or not path:
        return ""
    top = name.partition(".")[0]
    file = Path(path)
    while top not in (file.stem, file.name) and file != file.parent:
        file = file.parent
    hiding = os.path.realpath(file.parent)
    elsewhere = [each for each in sys.path if os.path.realpath(each or ".") != hiding]
    spec = PathFinder.find_spec(top, elsewhere)
    if (
        spec is None
        or spec.origin is None
        or os.path.realpath(spec.origin) == os.path.realpath(path)
    ):
        return ""
    whose = "Python's own module" if top in sys.stdlib_module_names else "the installed module"
    return f"{file} hides {whose} {top!r}; rename it"


def _about(error: BaseException) -> tuple[str | None, str | None]:
    """The module that lacks something, and its file."""
    if isinstance(error, ImportError):
        return error.name, error.path
    if isinstance(error, AttributeError) and isinstance(module := error.obj, ModuleType):
        return module.__name__, getattr(module, "__file__", None)
    return None, None

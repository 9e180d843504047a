"""A module beside a program that hides another of its name: the most common cause of a failing import."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

__all__ = ["hides"]


def hides(error: BaseException) -> str:
    """What to do if `error` comes from a user's module that took the place of another; empty if it does not.

    Where the error was raised in another OS process, its `civitas_hint` is what was found there.
    """
    if told := getattr(error, "civitas_hint", ""):
        return str(told)
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
    if spec is None:
        return ""
    # A package without an `__init__.py`, such as langgraph, has places and no origin.
    found = [spec.origin] if spec.origin is not None else [*(spec.submodule_search_locations or ())]
    if not found or os.path.realpath(found[0]) == os.path.realpath(path):
        return ""
    whose = "Python's own module" if top in sys.stdlib_module_names else "the installed module"
    return f"{file} hides {whose} {top!r}; rename it"


def _about(error: BaseException) -> tuple[str | None, str | None]:
    """The module that lacks something, and its file."""
    if isinstance(error, ImportError):
        if error.path is None and error.name is not None:
            # "No module named 'a.b'; 'a' is not a package"
            above = sys.modules.get(error.name.partition(".")[0])
            return error.name, getattr(above, "__file__", None)
        return error.name, error.path
    if isinstance(error, AttributeError) and isinstance(module := error.obj, ModuleType):
        return module.__name__, getattr(module, "__file__", None)
    return None, None

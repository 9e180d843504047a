"""From a name in a topology, such as `myapp.agents.Planner`, to the object it names."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from civitas.errors.hints import did_you_mean

__all__ = ["Unresolved", "add_to_path", "resolve"]

_WORDS = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_REFERENCE = re.compile(rf"{_WORDS}\.[^\W\d]\w*|{_WORDS}:{_WORDS}")
_LONGEST_LIST = 12


class Unresolved(Exception):
    """A name cannot be resolved; the text says how far it leads, and the nearest name there."""


def add_to_path(folder: Path) -> None:
    """Let modules in `folder` be imported, first of all, as `python script.py` does for the script's folder.

    For good, because an agent may import more when it runs.
    """
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # a module may have been written a moment ago


def resolve(reference: str, folder: Path | None = None) -> Any:
    """The object that `pkg.mod.name` or `pkg.mod:name` names; imports its module.

    Args:
        reference: The name.
        folder: The topology's folder, on the path already; only for better errors.
    Raises:
        Unresolved: There is no such module, or no such name in it.
        BaseException: Whatever the module itself raises when it is imported.
    """
    if not _REFERENCE.fullmatch(reference):
        raise Unresolved(
            f"{reference!r} is not the path of an object; write package.module.Name or "
            "package.module:name"
        )
    module_name, _, inside = reference.partition(":")
    if folder is not None:
        _refuse_namesake(module_name.partition(".")[0], folder)
    if inside:
        module = _module(module_name)
        if module is None:
            raise Unresolved(_no_module(module_name, folder))
        return _attribute(module, inside.split("."))
    parts = reference.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = _module(".".join(parts[:end]))
        if module is not None:
            return _attribute(module, parts[end:])
    raise Unresolved(_no_module(parts[0], folder))


def _module(name: str) -> ModuleType | None:
    """The module, or None if there is none of that name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if _raised_inside(error):
            raise  # the module is there; something it imports is not
        return None


def _raised_inside(error: BaseException) -> bool:
    """Whether a module's own code was running when `error` was raised."""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file not in (__file__, importlib.__file__) and not file.startswith("<frozen "):
            return True
        trace = trace.tb_next
    return False


def _attribute(module: ModuleType, names: list[str]) -> Any:
    found: Any = module
    so_far = module.__name__
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Unresolved(_no_attribute(found, name, so_far)) from None
        so_far = f"{so_far}.{name}"
    return found


def _no_attribute(owner: Any, name: str, called: str) -> str:
    words = [each for each in dir(owner) if not each.startswith("_")]
    if isinstance(owner, ModuleType):
        # What the module defines stands before what it imported.
        words = [each for each in words if not inspect.ismodule(getattr(owner, each, None))]
        words.sort(key=lambda each: getattr(vars(owner)[each], "__module__", called) != called)
        words += [
            each.name for each in pkgutil.iter_modules(getattr(owner, "__path__", None) or [])
        ]
    return f"{called!r} has no {name!r}{_nearest(name, words)}"


def _no_module(name: str, folder: Path | None) -> str:
    parent, _, last = name.rpartition(".")
    package = _module(parent) if parent else None
    if parent and package is None:
        return _no_module(parent, folder)
    if package is not None:
        words = [each.name for each in pkgutil.iter_modules(getattr(package, "__path__", []))]
        return f"{parent!r} has no module {last!r}{_nearest(last, words)}"
    words = [each.name for each in pkgutil.iter_modules([str(folder)] if folder else [])]
    where = f" in {str(folder)!r} or among what is installed" if folder else ""
    hint = did_you_mean(name, words) or "; is it installed here, or its folder on PYTHONPATH?"
    return f"there is no module {name!r}{where}{hint}"


def _nearest(name: str, words: list[str]) -> str:
    shown = words[:_LONGEST_LIST] + (["..."] if len(words) > _LONGEST_LIST else [])
    known = f" It has: {', '.join(shown)}" if words else ""
    return f"{did_you_mean(name, words) or ('.' if words else '')}{known}"


def _refuse_namesake(top: str, folder: Path) -> None:
    """Refuse the module of another folder in place of the one beside the topology."""
    loaded = getattr(sys.modules.get(top), "__file__", None)
    for beside in (folder / f"{top}.py", folder / top / "__init__.py"):
        if loaded and beside.is_file() and not beside.samefile(loaded):
            raise Unresolved(
                f"{str(beside)!r} cannot be imported: another module {top!r} is loaded already, "
                f"from {loaded!r}. Rename yours"
            )

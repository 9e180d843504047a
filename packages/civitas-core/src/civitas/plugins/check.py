"""What a plugin must look like; each error says what does not fit and what would."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from civitas.errors import PluginError
from civitas.plugins import hookspecs

__all__ = ["HOOKS", "check_contribution", "check_hooks", "described", "is_function"]

HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(function).parameters)
    for name, function in vars(hookspecs).items()
    if name.startswith("civitas_")
}
"""Hook name to the arguments it is given."""

# What a class behind each of these names must be able to do.
_METHODS = {
    "civitas_state_stores": ("get", "set", "delete"),
    "civitas_transports": ("problems", "access", "for_root", "meeting_place", "for_member"),
    "civitas_agent_types": ("handle",),
    "civitas_model_providers": ("chat",),
    "civitas_tool_providers": ("call",),
}


def check_hooks(plugin: Any, name: str) -> dict[str, Callable[..., Any]]:
    """Check the hooks of a plugin.

    Returns:
        Hook name to its implementation.
    Raises:
        PluginError: Something about them does not fit.
    """
    if isinstance(plugin, (str, bytes)) or plugin is None:
        raise PluginError(
            name, None, f"{plugin!r} is not a plugin; pass a module or an object that has hooks"
        )
    if isinstance(plugin, type):
        raise PluginError(name, None, "is a class; pass an instance of it, or a module")
    hooks = {}
    for attribute in dir(plugin):
        marked = _marked(plugin, attribute)
        if marked is None:
            continue
        options, function = marked
        hook = options.get("specname") or attribute
        _check_hook(function, options, name, hook)
        hooks[hook] = function
    if not hooks:
        where = "module" if isinstance(plugin, ModuleType) else "object"
        raise PluginError(
            name,
            None,
            f"this {where} has no hooks; mark one with @civitas.hookimpl. There are: {', '.join(HOOKS)}",
        )
    return hooks


def check_contribution(offered: Any, plugin: str, hook: str) -> None:
    """Check what a hook returned that contributes things by name.

    Raises:
        PluginError: It is not a dict of names to what the hook is for.
    """
    if not isinstance(offered, Mapping):
        raise PluginError(
            plugin, hook, f"returned {_show(offered)}; return a dict of names to classes"
        )
    for key, value in offered.items():
        if not isinstance(key, str) or not key:
            raise PluginError(plugin, hook, f"{key!r} is not a name; the keys are non-empty text")
        missing = [
            method for method in _METHODS[hook] if not callable(getattr(value, method, None))
        ]
        if isinstance(value, type):
            if missing:
                raise PluginError(
                    plugin, hook, f"{key!r}: {value.__name__} has no {' and no '.join(missing)}"
                )
        elif not callable(value) and (missing or hook != "civitas_tool_providers"):
            raise PluginError(plugin, hook, f"{key!r} is {_show(value)}; it must be a class")


def described(error: BaseException) -> str:
    """What a plugin raised, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def is_function(plugin: Any, attribute: str) -> bool:
    """Whether an attribute of a plugin may be a hook; told without running a property of it."""
    static = inspect.getattr_static(plugin, attribute, None)
    return isinstance(static, (staticmethod, classmethod)) or inspect.isroutine(static)


def _marked(plugin: Any, attribute: str) -> tuple[dict[str, Any], Callable[..., Any]] | None:
    if not is_function(plugin, attribute):
        return None
    static = inspect.getattr_static(plugin, attribute)
    function = getattr(plugin, attribute)
    options = getattr(static, "civitas_impl", None) or getattr(function, "civitas_impl", None)
    if isinstance(options, dict):
        return options, function
    if attribute in HOOKS:
        return {"unmarked": True}, function
    return None


def _check_hook(
    function: Callable[..., Any], options: Mapping[str, Any], plugin: str, hook: str
) -> None:
    if hook not in HOOKS:
        near = difflib.get_close_matches(hook, HOOKS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(HOOKS)}"
        raise PluginError(plugin, hook, f"there is no such hook; {hint}")
    if "unmarked" in options:
        raise PluginError(plugin, hook, "is not marked; put @civitas.hookimpl above it")
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(plugin, hook, "is a hook wrapper; Civitas calls plain hooks only")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(plugin, hook, "is async; hooks are plain functions")
    given = HOOKS[hook]
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not parameter.empty or name in given:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        gives = f"it is given: {', '.join(given)}" if given else "it is given no arguments"
        raise PluginError(plugin, hook, f"takes {name!r}, which it is not given; {gives}")


def _show(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}..." if len(text) > 60 else text

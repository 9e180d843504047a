"""What a subclass of `AgentProcess` declares, and the keywords that one is given."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.process.keywords import keywords_of

__all__ = ["check_callbacks", "refuses_unknown_keywords"]

_Agent = TypeVar("_Agent")
_Given = ParamSpec("_Given")

_good: WeakSet[type] = WeakSet()
"""The classes that were looked at: children may come by the thousand."""
_CALLBACKS = {
    "handle": ("self", "message"),
    "on_start": ("self",),
    "on_error": ("self", "error", "message"),
    "on_stop": ("self",),
}
"""What a subclass may write, and what each is called with."""
_IN_TOPOLOGIES = ("args", "expose", "process", "replicas", "type", "wrap")
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def check_callbacks(kind: type, base: type) -> None:
    """Raise `ConfigurationError` where an agent could do nothing, or a callback would be called and never run.

    Args:
        kind: The class of an agent. One that works by itself, from its `on_start` on, needs no `handle`.
        base: `AgentProcess`, whose `handle` is there to be overridden; itself a child that does nothing, as in a test.
    """
    if kind in _good or kind is base:
        return
    if all(getattr(kind, name, None) is getattr(base, name) for name in ("handle", "on_start")):
        raise ConfigurationError(
            f"{kind.__name__} has no handle; write `async def handle(self, message)` in it"
        )
    for name, arguments in _CALLBACKS.items():
        function = getattr(kind, name, None)
        if not callable(function):
            raise ConfigurationError(f"{kind.__name__}.{name} is not a method; got {function!r}")
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:
            raise ConfigurationError(
                f"{kind.__name__}.{name} is a generator, since it has a `yield`; none of it would run. "
                "Hand out parts with `await self.emit(...)`, and return the reply"
            )
        if not _takes(kind, name, len(arguments)):
            raise ConfigurationError(
                f"{kind.__name__}.{name} cannot be called as it is; write `async def {name}({', '.join(arguments)})`"
            )
    _good.add(kind)


def _takes(kind: type, name: str, arguments: int) -> bool:
    """Whether a callback can be called with so many arguments, `self` among them."""
    function = inspect.getattr_static(kind, name)
    if isinstance(function, staticmethod):
        function, arguments = function.__func__, arguments - 1
    if not inspect.isfunction(function):
        return True  # it says what it takes when it is called
    try:
        # Not what a decorator wraps: it may hand on arguments of its own.
        inspect.signature(function, follow_wrapped=False).bind(*[None] * arguments)
    except TypeError:
        return False
    return True


def refuses_unknown_keywords(
    constructor: Callable[Concatenate[_Agent, _Given], None],
) -> Callable[Concatenate[_Agent, _Given], None]:
    """Let a constructor say who was given a keyword that none of its class takes, and the nearest one."""
    known = frozenset(inspect.signature(constructor).parameters)

    @functools.wraps(constructor)
    def checked(self: _Agent, /, *args: _Given.args, **keywords: _Given.kwargs) -> None:
        if not known.issuperset(keywords):
            raise _unknown(type(self), args, keywords, known)
        constructor(self, *args, **keywords)

    return checked


def _unknown(
    kind: type, args: tuple[Any, ...], keywords: dict[str, Any], known: frozenset[str]
) -> ConfigurationError:
    word = next(each for each in keywords if each not in known)
    name = args[0] if args else keywords.get("name")
    who = f"{kind.__name__}({name!r})" if isinstance(name, str) else kind.__name__
    first, *others = keywords_of(kind).names
    words = others if first == "name" else [first, *others]
    hint = did_you_mean(word, words) or "."
    if word in _IN_TOPOLOGIES:
        hint = ", which is a key of topologies."
    return ConfigurationError(f"{who} takes no {word!r}{hint} It takes: {', '.join(words)}")

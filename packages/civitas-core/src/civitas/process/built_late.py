"""A store or a model that a function builds: when the runtime starts, and with the event loop running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from civitas.errors import ConfigurationError, StartFailed
from civitas.process.resources import Resources

__all__ = ["BuiltLate", "provided"]


class BuiltLate:
    """Stands for what a function builds, between its `open` and its `close`.

    It is opened and closed in one task of its own, as some context managers want, whoever starts and stops the runtime.

    Args:
        function: Builds it; what it may return, `Resources.open` says.
        what: What it is for, such as ``state_store``.
        methods: What it must be able to do.
    """

    def __init__(self, function: Callable[[], Any], what: str, methods: Sequence[str]) -> None:
        self._function = function
        self._what = what
        self._methods = methods
        self._value: Any = None
        self._keeper: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def open(self) -> None:
        """Build it.

        Raises:
            StartFailed: The function raised, or built something else.
        """
        if self._keeper is not None:
            return
        self._over = asyncio.Event()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(ready), name=f"civitas:{self._what}")
        try:
            await ready
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close what it opened; does nothing if it is closed."""
        keeper, self._keeper = self._keeper, None
        self._over.set()
        if keeper is not None:
            await asyncio.wait({keeper})

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        resources = Resources()
        try:
            try:
                opened = await resources.open(self._function, self._what)
                check_methods(opened.value, self._what, self._methods)
                if callable(opening := getattr(opened.value, "open", None)):
                    await opening()
                if callable(closer := getattr(opened.value, "close", None)):
                    opened.also_close(closer)
            except Exception as error:
                if not ready.done():
                    ready.set_exception(StartFailed(self._what, error))
                return
            self._value = opened.value
            if not ready.done():
                ready.set_result(None)
            await self._over.wait()
        finally:
            self._value = None
            await resources.close_all(self._what)

    @property
    def built(self) -> Any:
        """What was built; itself while nothing is."""
        return self if self._value is None else self._value

    def __getattr__(self, name: str) -> Any:
        # Before `open` there is nothing, and who asks whether it can do something is told no.
        value = self.__dict__.get("_value")
        if value is None:
            raise AttributeError(
                f"{self.__dict__.get('_what')} is not open yet; it has no {name!r}"
            )
        return getattr(value, name)

    def __repr__(self) -> str:
        return f"<{self._what} built by {getattr(self._function, '__qualname__', self._function)}>"


def provided(value: Any, what: str, methods: Sequence[str], example: str) -> Any:
    """What was given for a keyword of the runtime: as it is, or what stands for what a function builds.

    Args:
        value: What was given.
        what: The keyword.
        methods: What it must be able to do.
        example: A good one, for an error.

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(value, BuiltLate):
        return value  # of a topology
    if isinstance(value, type):
        raise ConfigurationError(
            f"{what} is an object, and {value.__name__} is a class; write {value.__name__}(...)"
        )
    if not all(callable(getattr(value, method, None)) for method in methods) and callable(value):
        return BuiltLate(value, what, methods)
    check_methods(value, what, methods, example)
    return value


def check_methods(value: Any, what: str, methods: Sequence[str], example: str = "") -> None:
    """Raise `ConfigurationError` unless `value` has these methods."""
    missing = [method for method in methods if not callable(getattr(value, method, None))]
    if missing:
        text = repr(value)
        hint = f". Write {example}" if example else ""
        raise ConfigurationError(
            f"{what} must be an object with {', '.join(methods)}, or a function that builds one; "
            f"got {text if len(text) <= 60 else text[:57] + '...'}, which has no {missing[0]}{hint}"
        )

"""Who hears of what happens."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.events import EVENT_TYPES, Event, EventType

__all__ = ["Callback", "Events"]

logger = logging.getLogger("civitas")

Callback = Callable[[Event], object]
"""A function of an event; what an `async def` one returns is awaited."""


class Events:
    """Hands each `Event` to the callbacks of its type; one that raises is logged and passed over."""

    def __init__(self, node: str) -> None:
        self._node = node
        self.callbacks: dict[str, list[Callback]] = {type: [] for type in EVENT_TYPES}
        """Who hears of what, by the type of event."""
        self._tasks: set[asyncio.Future[object]] = set()

    def on(self, type: str, callback: Callback) -> Callable[[], None]:
        """Call `callback`, sync or async, with each event of `type`.

        Returns:
            A function that ends it.

        Raises:
            ConfigurationError: There is no such type of event, or `callback` cannot be called.
        """
        given: object = type
        callbacks = self.callbacks.get(type) if isinstance(given, str) else None
        if callbacks is None:
            hint = did_you_mean(type, EVENT_TYPES)
            raise ConfigurationError(
                f"event types must be {', '.join(EVENT_TYPES)}; got {type!r}{hint}"
            )
        if not _takes_one(callback):
            raise ConfigurationError(
                f"runtime.on({type!r}, ...) takes a function of one argument, the event; got {callback!r}"
            )
        callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in callbacks:
                callbacks.remove(callback)

        return unsubscribe

    def emit(
        self, type: EventType, name: str, reason: str, message: str, node: str | None = None
    ) -> None:
        """Report that something happened, in this node or in `node`."""
        callbacks = self.callbacks[type]
        if not callbacks:
            return
        self.pass_on(Event(type, name, node or self._node, reason, message, time.time()))

    def pass_on(self, event: Event) -> None:
        """Report what happened, here or in another node."""
        callbacks = self.callbacks.get(event.type, ())
        for callback in tuple(callbacks):
            try:
                result = callback(event)
            except Exception:
                logger.exception(
                    "a callback of runtime.on(%r) raised an error; it was skipped", event.type
                )
                continue
            if result is not None and inspect.isawaitable(result):
                task = asyncio.ensure_future(result)
                self._tasks.add(task)
                task.add_done_callback(self._done)

    async def settle(self) -> None:
        """Wait for the async callbacks that still run."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Future[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "a callback of runtime.on() raised an error; it was skipped",
                exc_info=task.exception(),
            )


def _takes_one(callback: object) -> bool:
    if not callable(callback):
        return False
    try:
        inspect.signature(callback).bind(None)
    except TypeError:
        return False
    except ValueError:  # it is written in C, and does not say
        return True
    return True

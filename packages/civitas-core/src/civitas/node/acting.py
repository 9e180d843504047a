"""Who acts on a system by hand: each action is logged, and an event."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from civitas.node.events import Events
from civitas.process.awaiting import waiting_agent
from civitas.telemetry.readable import escaped

__all__ = ["Actions", "acting_as"]

logger = logging.getLogger("civitas.actions")

_who: ContextVar[str] = ContextVar("civitas_who_acts", default="")


@contextmanager
def acting_as(who: str) -> Iterator[None]:
    """Whatever is done to the system inside is done by `who`; by the program itself otherwise."""
    token = _who.set(who)
    try:
        yield
    finally:
        _who.reset(token)


class Actions:
    """Says of each action who did what to whom.

    Args:
        events: Where the event goes.
    """

    def __init__(self, events: Events) -> None:
        self._events = events

    def done(self, action: str, on: str, node: str | None = None) -> None:
        """Somebody has done something.

        Args:
            action: What: `restart`, `stop`, `start`, `pause`, `resume`, `scale`, `cancel`, `replay`, `drop`.
            on: Name of the agent, supervisor or run.
            node: The OS process that it runs in, if that is another one.
        """
        agent = waiting_agent()
        who = _who.get() or (f"agent {agent.name!r}" if agent is not None else "the program")
        text = f"{action} of {on!r} by {who}"
        logger.info("%s", escaped(text))
        self._events.emit("acted", on, action, text, node)

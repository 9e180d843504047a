"""What a node does for its telemetry, whatever its agents do."""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Any

from civitas.node.gauges import gauges_of, states_of
from civitas.node.registry import Registry
from civitas.process import current_agent, current_message
from civitas.telemetry import names
from civitas.telemetry.logs import come_from, where_from
from civitas.telemetry.tracing import Tracing

__all__ = ["NodeTelemetry"]

_LOOK = 1.0
"""Seconds between two looks for providers that the application has set up meanwhile."""
_MEASURE = 0.1
"""Seconds between two measurements of the loop's lag, while somebody wants them."""


class NodeTelemetry:
    """Notices the application's providers, measures how late the event loop comes, and lets gauges be looked at.

    Args:
        name: Of the node.
        loop: Its event loop.
        tracing: Of the node.
        registry: Knows its agents.
        asks: Those that wait for their answers.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        tracing: Tracing,
        registry: Registry,
        asks: Sized,
    ) -> None:
        self._name = name
        self._loop = loop
        self._tracing = tracing
        self._looked = loop.time()
        gauges = tracing.metrics.gauges
        gauges.update(gauges_of(name, registry, asks))
        gauges.setdefault(names.NODE_STATE, lambda: states_of({name: "up"}))
        tracing.metrics.looks = True
        come_from(_logging_agent)
        self._wait()

    def end(self) -> None:
        """No more of it."""
        self._timer.cancel()
        self._tracing.metrics.looks = False

    def _wait(self) -> None:
        seconds = _MEASURE if self._tracing.metrics.active else _LOOK
        self._timer = self._loop.call_later(seconds, self._beat, self._loop.time() + seconds)

    def _beat(self, due: float) -> None:
        now, metrics = self._loop.time(), self._tracing.metrics
        if metrics.active:
            metrics.lagged(self._name, max(now - due, 0.0))
        if now - self._looked >= _LOOK:
            self._looked = now
            self._tracing.look()
        self._wait()


def _logging_agent() -> dict[str, Any]:
    """For log records: the agent whose code runs here, what it handles, and where; nothing outside of agents."""
    agent = current_agent.get(None)
    if agent is None:
        return {}
    found: dict[str, Any] = {names.AGENT_NAME: agent.name}
    if (node := agent._civitas_node) is not None:
        found[names.NODE_NAME] = node.name
    message = current_message.get(None)
    if message is None:
        return found
    if message.conversation is not None:
        found[names.CONVERSATION] = message.conversation
    found.update(where_from(message.headers))
    return found

"""What the OS processes of a system record, on its way to the root where that wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from typing import Any

from civitas.cluster.members.roster import Roster
from civitas.cluster.peers import Peer
from civitas.node.events import Events
from civitas.node.gauges import states_of
from civitas.telemetry import forwarding, names
from civitas.telemetry.handing import FigureBuffer, Figures
from civitas.telemetry.instruments import Point
from civitas.telemetry.tracing import Tracing

__all__ = ["Gathered", "HandedOver"]

_GAUGES = 5
"""With every fifth look, what the gauges say is handed over, too."""


class HandedOver:
    """Hands what this process records over to the root: spans, and figures if it has no meter provider of its own.

    Args:
        peers: The nodes there is a way to; none is left once this one has left.
        tell_root: Says something to the root.
        tracing: Of this node.
    """

    def __init__(self, peers: Sized, tell_root: Callable[..., None], tracing: Tracing) -> None:
        self._peers = peers
        self._tell_root = tell_root
        self._tracing = tracing
        self._forwarder: forwarding.Forwarder | None = None
        self._spans, self._figures = "", False
        self._looks = 0

    def begin(self, forwarder: forwarding.Forwarder, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over what the root wants, from now on.

        Args:
            forwarder: That of this OS process.
            loop: Of this node.
        """
        self._forwarder = forwarder
        forwarder.begin(self._hand_spans, loop)
        self._tracing.on_look = self._look
        self.wants(self._spans, self._figures)

    def wants(self, spans: str, figures: bool) -> None:
        """The root wants this.

        Args:
            spans: See `civitas.telemetry.forwarding.wanted`.
            figures: Whether it takes what is counted and measured.
        """
        self._spans, self._figures = spans, figures
        metrics = self._tracing.metrics
        if (metrics.handed is not None) is not figures:
            metrics.handed = FigureBuffer(self._hand_figures) if figures else None
            self._tracing.refresh()
        if self._forwarder is not None:
            self._forwarder.wanted = spans

    def asked(self, spans: str, figures: bool) -> None:
        """The root wants something else than it said at first."""
        self.wants(spans, figures)
        self._tracing.look()

    def last(self) -> None:
        """This process is about to leave."""
        self._looks = 0
        self._hand_over()

    def _look(self) -> None:
        if self._forwarder is not None:
            self._forwarder.look()
        self._looks += 1
        self._hand_over()

    def _hand_over(self) -> None:
        metrics = self._tracing.metrics
        if isinstance(metrics.handed, FigureBuffer):
            gauges = metrics.provider is None and self._looks % _GAUGES == 0
            # The root knows the states of all processes by itself.
            known = {
                name: look for name, look in metrics.gauges.items() if name != names.NODE_STATE
            }
            metrics.handed.hand_over(known if gauges else {})

    def _hand_spans(self, spans: list[dict[str, Any]], exported: bool) -> None:
        if self._peers:
            self._tell_root("spans", spans, exported)

    def _hand_figures(self, figures: Figures) -> None:
        if self._peers:
            self._tell_root("figures", figures)


class Gathered:
    """What the root learns of what others record, and tells them of what it wants.

    Args:
        roster: The others.
        tracing: Of the root.
        events: Say which of the others are gone.
    """

    def __init__(self, roster: Roster, tracing: Tracing, events: Events) -> None:
        self._roster = roster
        self._metrics = tracing.metrics
        tracing.metrics.gauges[names.NODE_STATE] = self._states
        self.casts: dict[str, Callable[..., None]] = {
            "spans": lambda _, spans, exported: forwarding.take(spans, exported),
            "figures": self._took,
        }
        events.on("node_down", lambda event: self._metrics.lost(event.node))
        tracing.on_change = lambda: roster.tell("record", forwarding.wanted(), self.wants_figures)

    @property
    def wants_figures(self) -> bool:
        """Whether there is a meter provider here, or somebody scrapes."""
        return self._metrics.provider is not None or self._metrics.scraped is not None

    def _took(self, peer: Peer, figures: Figures) -> None:
        self._metrics.took(peer.name, figures)

    def _states(self) -> list[Point]:
        return states_of({"root": "up", **{each.name: each.state for each in self._roster}})

"""What the OS processes of a system record, on its way to the root where that wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sized
from typing import Any

from civitas.cluster.members.roster import Roster
from civitas.cluster.peers import Peer
from civitas.node.events import Events
from civitas.node.gauges import states_of
from civitas.telemetry import forwarding, names
from civitas.telemetry.handing import FigureBuffer, Figures
from civitas.telemetry.instruments import Gauges, Point
from civitas.telemetry.tracing import Tracing

__all__ = ["Gathered", "HandedOver", "wanted"]

_GAUGES = 5
"""With every fifth look, what the gauges say is handed over, too."""


class HandedOver:
    """Hands what this process records over to the root: spans, and figures if it has no meter provider of its own.

    If it has one, figures are handed over as long as somebody scrapes, for that alone.

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
        self._spans, self._figures, self._scraped = "", False, False
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
        self.wants(self._spans, self._figures, self._scraped)

    def wants(self, spans: str, figures: bool, scraped: bool = False) -> None:
        """The root wants this.

        Args:
            spans: See `civitas.telemetry.forwarding.wanted`.
            figures: Whether it takes what is counted and measured.
            scraped: Whether it takes that also of a process that has a meter provider.
        """
        self._spans, self._figures, self._scraped = spans, figures, scraped
        metrics = self._tracing.metrics
        if (metrics.handed is not None) is not figures:
            metrics.handed = FigureBuffer(self._hand_figures) if figures else None
            self._tracing.refresh()
        self._copy()
        if self._forwarder is not None:
            self._forwarder.wanted = spans

    def _copy(self) -> None:
        """Hand figures over beside the meter provider, if there is one, as long as somebody scrapes."""
        metrics = self._tracing.metrics
        copies = self._scraped and metrics.provider is not None
        if (metrics.scraped is not None) is not copies:
            metrics.scraped = FigureBuffer(self._hand_exported) if copies else None
            self._tracing.refresh()

    def asked(self, spans: str, figures: bool, scraped: bool = False) -> None:
        """The root wants something else than it said at first."""
        self.wants(spans, figures, scraped)
        self._tracing.look()

    def last(self) -> None:
        """This process is about to leave."""
        self._looks = 0
        self._hand_over()

    def _look(self) -> None:
        if self._forwarder is not None:
            self._forwarder.look()
        self._looks += 1
        self._copy()  # the application may have set up its provider meanwhile
        self._hand_over()

    def _hand_over(self) -> None:
        metrics = self._tracing.metrics
        known: Gauges = {}
        if self._looks % _GAUGES == 0:
            # The root knows the states of all processes by itself.
            known = {
                name: look for name, look in metrics.gauges.items() if name != names.NODE_STATE
            }
        if isinstance(metrics.handed, FigureBuffer):
            metrics.handed.hand_over(known if metrics.provider is None else {})
        if isinstance(metrics.scraped, FigureBuffer):
            metrics.scraped.hand_over(known)

    def _hand_spans(self, spans: list[dict[str, Any]], exported: bool) -> None:
        if self._peers:
            self._tell_root("spans", spans, exported)

    def _hand_figures(self, figures: Figures) -> None:
        if self._peers:
            self._tell_root("figures", figures)

    def _hand_exported(self, figures: Figures) -> None:
        if self._peers:
            self._tell_root("figures", figures, True)


def wanted(welcome: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """What the root wants, as it says that to a process that joins; see `HandedOver.wants`."""
    return welcome["spans"], bool(welcome.get("figures")), bool(welcome.get("scraped"))


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
        tracing.on_change = lambda: roster.tell(
            "record", forwarding.wanted(), self.wants_figures, self.is_scraped
        )

    @property
    def wants_figures(self) -> bool:
        """Whether there is a meter provider here, or somebody scrapes."""
        return self._metrics.provider is not None or self.is_scraped

    @property
    def wanted(self) -> dict[str, Any]:
        """What a process is told that joins; see `wanted`."""
        return {"figures": self.wants_figures, "scraped": self.is_scraped}

    @property
    def is_scraped(self) -> bool:
        """Whether somebody scrapes, and wants what other processes export by themselves, too."""
        return self._metrics.scraped is not None

    def _took(self, peer: Peer, figures: Figures, exported: bool = False) -> None:
        self._metrics.took(peer.name, figures, exported=exported)

    def _states(self) -> list[Point]:
        return states_of({"root": "up", **{each.name: each.state for each in self._roster}})

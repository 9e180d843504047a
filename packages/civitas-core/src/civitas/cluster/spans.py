"""The spans of a member that the root wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized
from typing import Any

from civitas.telemetry import forwarding

__all__ = ["HandedOver"]


class HandedOver:
    """Hands the spans of this process over to the root.

    Args:
        peers: The nodes there is a way to; none is left once this one has left.
        tell_root: Says something to the root.
    """

    def __init__(self, peers: Sized, tell_root: Callable[..., None]) -> None:
        self.wanted = ""
        """Which spans the root wants; see `civitas.telemetry.forwarding`."""
        self._peers = peers
        self._tell_root = tell_root

    def hand_over(self, loop: asyncio.AbstractEventLoop, *, exported: bool) -> bool:
        """Begin to hand them over; False if the root wants none.

        Args:
            loop: Of this node.
            exported: Whether this process exports them itself.
        """
        if self.wanted != "shown" and (exported or not self.wanted):
            return False
        forwarding.begin(lambda spans: self._hand(spans, exported), loop)
        return True

    def _hand(self, spans: list[dict[str, Any]], exported: bool) -> None:
        if self._peers:
            self._tell_root("spans", spans, exported)

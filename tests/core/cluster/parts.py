"""Stand-ins for what the parts of a node talk to."""

from __future__ import annotations

from typing import Any

from civitas.cluster.frames import Kind, unpacked
from civitas.cluster.peers import Peer

__all__ = ["Wire", "a_peer"]


class Wire:
    """A link that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[Any]]] = []
        self.urgent: list[bool] = []
        self.closed = False

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Keep a frame, as the name of its kind and its fields."""
        kind, _, *fields = unpacked(frame)
        self.sent.append((Kind(kind).name, fields))
        self.urgent.append(urgent)

    def close(self) -> None:
        """Note it."""
        self.closed = True

    async def flushed(self) -> None:
        """Nothing is on the way."""


def a_peer(name: str = "w", boot: str = "") -> tuple[Peer, Wire]:
    """Another node, and what is sent to it."""
    wire = Wire()
    return Peer(name, boot or f"boot-{name}", f"ipc:///{name}", wire, "boot-here"), wire

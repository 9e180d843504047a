"""One OS process of the system: registry, routing, and the asks that wait for an answer."""

from civitas.node.asks import Asking
from civitas.node.events import Callback, Events
from civitas.node.node import Node
from civitas.node.origin import Origin
from civitas.node.registry import Recipient, Registry
from civitas.node.streams import AHEAD, Chunks

__all__ = [
    "AHEAD",
    "Asking",
    "Callback",
    "Chunks",
    "Events",
    "Node",
    "Origin",
    "Recipient",
    "Registry",
]

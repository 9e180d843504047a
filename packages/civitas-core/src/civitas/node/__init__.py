"""One OS process of the system: registry, routing, and the asks that wait for an answer."""

from civitas.node.events import Callback, Events
from civitas.node.node import Node
from civitas.node.registry import Registry
from civitas.node.streams import AHEAD

__all__ = ["AHEAD", "Callback", "Events", "Node", "Registry"]

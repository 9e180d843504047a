"""`Inside`: what a member tells the root of its agents when somebody looks."""

from __future__ import annotations

from typing import Any

from civitas.cluster.desk import Serves
from civitas.cluster.peers import Peer
from civitas.node import Node

__all__ = ["Inside"]


class Inside:
    """Lets the root look into the agents of a member.

    Args:
        node: The member.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.serves: dict[str, Serves] = {
            "alive": lambda _, name: node.is_alive(name),
            "look": self._look,
        }
        """What is done for each call of the root."""

    async def _look(self, _: Peer, since: int) -> dict[str, Any]:
        """What the agents do now, as far as it has changed."""
        return self._node.glances.told(since)

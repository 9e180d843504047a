"""`Inside`: what a member tells the root of its agents when somebody looks."""

from __future__ import annotations

from typing import Any

from civitas.cluster.desk import Serves
from civitas.cluster.hosting import Hosting
from civitas.cluster.peers import Peer
from civitas.errors import SupervisionError
from civitas.node import Node
from civitas.node.inspecting import looked_into
from civitas.process import Cell

__all__ = ["Inside"]


class Inside:
    """Lets the root look into the agents of a member.

    Args:
        node: The member.
        hosting: What it hosts.
    """

    def __init__(self, node: Node, hosting: Hosting) -> None:
        self._node = node
        self._hosting = hosting
        self.serves: dict[str, Serves] = {
            "alive": lambda _, name: node.is_alive(name),
            "recall": self._recall,
            "look": self._look,
            "pause": self._pause,
            "inspect": self._inspect,
        }
        """What is done for each call of the root."""

    async def _look(self, _: Peer, since: int) -> dict[str, Any]:
        """What the agents do now, as far as it has changed."""
        return self._node.glances.told(since)

    async def _recall(self, _: Peer, key: str) -> list[float]:
        """Give back what is left of a budget here."""
        return list(self._node.budgets.purses.recall(key))

    async def _pause(self, _: Peer, name: str, paused: bool) -> None:
        """Let an agent, a pool or a conversation take no messages, or go on."""
        hosted = self._hosting.get(name)
        if hosted is None and isinstance(cell := self._node.registry.get(name), Cell):
            hosted = cell
        if hosted is not None:
            hosted.pause(paused)

    async def _inspect(self, _: Peer, name: str, seconds: float | None = None) -> dict[str, Any]:
        """Look into an agent, and for `seconds` at where its time goes."""
        cell = self._node.registry.get(name)
        if not isinstance(cell, Cell):
            raise SupervisionError("not_found", f"{name!r} does not run in {self._node.name!r}")
        return dict(await looked_into(cell, self._node.loop, self._node.thread, seconds))

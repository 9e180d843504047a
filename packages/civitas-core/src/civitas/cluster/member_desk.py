"""What a member does for the root of its system."""

from __future__ import annotations

from typing import Any

from civitas.cluster.desk import Desk, Serves
from civitas.cluster.facts import Facts
from civitas.cluster.hosting import Hosting
from civitas.cluster.lent.borrowing import borrow_tools
from civitas.cluster.peers import Peer
from civitas.errors import SupervisionError
from civitas.node import Node
from civitas.node.inspecting import looked_into
from civitas.process import Cell

__all__ = ["desk_for_root"]


def desk_for_root(member: Any) -> Desk:
    """Make the desk of a member.

    Args:
        member: It, put together of its parts.
    """
    names, hosting = member._letters.names, member._hosting
    return Desk(
        member.name,
        member.calls,
        {
            "awake": hosting.awake,
            "start": hosting.start,
            "stop": hosting.stop,
            "terminate_child": hosting.terminate_child,
            "recycle": hosting.recycle,
            "hosted": member._hosted,
            "passes": member._root_passes_on,
            **_Inside(member, hosting).serves,
            **member._quiescing.serves,
            **member._mailboxes.asked_by_all,
            "read": member._mailboxes.read,
        },
        {
            "facts": lambda _, facts: member._lookups.hear(Facts(*facts)),
            "forget": lambda _, name: names.unlearn(name),
            "met": member._neighbours.there_is,
            "leaving": lambda _, boot: names.hold_back(boot),
            "watch_is_over": lambda _, ref: member._monitors_at_root.over(ref),
            "gone": lambda _, *what: member._letters.part(*what),
            "hold": hosting.hold,
            "refuse_asks": hosting.refuse_asks,
            "close": hosting.close,
            "discard": hosting.discard,
            "settled": lambda _: member._lookups.again(),
            "handed_over": lambda _: member.on_handed_over(),
            "stopping": lambda _: member._mailboxes.stopping(member.on_system_stop),
            "end": lambda _: member.end(""),
            "record": lambda _, *wants: member.records.asked(*wants),
            "tools": lambda _, described: borrow_tools(member, described, member.call_root),
        },
    )


class _Inside:
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

"""`Facts`: what a node knows of an agent that it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from civitas.process import ChildKind, Delivery
from civitas.supervision import Placed

__all__ = ["Facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a node knows of an agent, wherever that runs: the root of each, a member of those that it uses.

    Attributes:
        name: Its name.
        node: The node that hosts it.
        boot: The run of that node in which the agent was started; None while its process is down.
        kind: `agent` or `conversation_pool`.
        size: Its `mailbox_size`.
        delivery: Its `delivery`; as long as that is not known, the more careful one.
        max_deliveries: Its `max_deliveries`.
        closed: Why it takes no messages; empty if it does.
        max_live: Of a pool, its `max_live`.
        behind: Of a replica, the name that it stands behind; otherwise empty.
        mailbox: Where the broker keeps its messages; empty if it does not.
        gives_up: Whether it gives up what nobody waits for.
    """

    name: str
    node: str
    boot: str | None = None
    kind: str = ChildKind.AGENT
    size: int = 1000
    delivery: str = Delivery.AT_MOST_ONCE
    max_deliveries: int = 3
    closed: str = ""
    max_live: int = 0
    behind: str = ""
    mailbox: str = ""
    gives_up: bool = False

    @classmethod
    def before_start(cls, name: str, child: Placed) -> Self:
        """What is known of a child of another process that has not started; what it really wants is known then."""
        return cls(
            name,
            child.process,
            kind=child.kind,
            delivery=child.delivery,
            max_deliveries=child.max_deliveries,
            behind=child.family,
        )

    def plain(self) -> list[Any]:
        """As it travels."""
        return [getattr(self, field) for field in self.__slots__]

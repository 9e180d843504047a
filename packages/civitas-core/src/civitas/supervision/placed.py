"""`Placed`: a child that runs in another OS process, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from civitas.process import ChildKind, Delivery, RestartType

__all__ = ["Placed"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A child that runs in another OS process, which makes it there by its name.

    Attributes:
        name: Its name.
        process: The OS process that hosts it.
        kind: `agent` or `conversation_pool`.
        restart: When its supervisor starts it again; the process itself says otherwise where its class does.
        recipe: How to make it, as plain data; None if its process finds it in the topology.
        family: Of a replica, the name that it stands behind; otherwise empty.
        delivery: What is known of its delivery before it has started; the more careful one if nothing is.
        max_deliveries: The same of its `max_deliveries`.
    """

    name: str
    process: str
    kind: ChildKind = ChildKind.AGENT
    restart: RestartType = RestartType.PERMANENT
    recipe: Mapping[str, Any] | None = None
    family: str = ""
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    max_deliveries: int = 3

    def plain(self) -> dict[str, Any]:
        """What its process needs to make it."""
        return {"kind": self.kind, "recipe": self.recipe, "family": self.family}

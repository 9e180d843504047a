"""The supervision tree as plain data."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from civitas.cluster import RemoteChild, RemoteConversation
from civitas.process import Cell
from civitas.supervision import Child

__all__ = ["tree_of"]


def tree_of(child: Child, next_of: Callable[[str], float | None]) -> dict[str, Any]:
    """A child and all that is below it; see `Runtime.tree`.

    Args:
        child: The child.
        next_of: When the schedule of an agent is due next.
    """
    depth = getattr(child, "mailbox_depth", 0)
    elsewhere = child if isinstance(child, (RemoteChild, RemoteConversation)) else None
    tree = {
        "name": child.name,
        "kind": str(child.kind),
        "status": str(child.status),
        "node": "root" if elsewhere is None else elsewhere.node,
        "pid": os.getpid() if elsewhere is None else elsewhere.pid,
        "restarts": child.restarts,
        "mailbox_depth": len(child.mailbox) if isinstance(child, Cell) else depth,
        "children": [tree_of(each, next_of) for each in getattr(child, "children", ())],
    }
    if getattr(child, "paused", False):
        tree["paused"] = True
    if (due := next_of(child.name)) is not None:
        tree["next"] = due
    return tree

"""The supervision tree as plain data."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from civitas.cluster import RemoteChild, RemoteConversation
from civitas.errors import ConfigurationError
from civitas.process import Cell, Status
from civitas.supervision import Child, Supervisor, SupervisorProcess

__all__ = ["check_root", "pid_of", "running", "tree_of"]

_DOWN = (Status.RESTARTING, Status.STOPPED, Status.TERMINATED)


def check_root(supervisor: object) -> None:
    """Raise `ConfigurationError` unless a runtime can run `supervisor`."""
    if not isinstance(supervisor, Supervisor):
        raise ConfigurationError(
            f"Runtime takes a Supervisor, the root of the tree; got {supervisor!r}. "
            'Write Runtime(Supervisor("root", children=[...]))'
        )


def running(root: SupervisorProcess | None) -> SupervisorProcess:
    """The root of a runtime; raises `ConfigurationError` where that does not run."""
    if root is None:
        raise ConfigurationError("the runtime is not running; there is no tree to show")
    return root


def pid_of(child: Child) -> int | None:
    """Of the OS process that a child runs in; None while the child is down, or that process."""
    if child.status in _DOWN:
        return None
    return child.pid if isinstance(child, (RemoteChild, RemoteConversation)) else os.getpid()


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
        "pid": pid_of(child),
        "restarts": child.restarts,
        "mailbox_depth": len(child.mailbox) if isinstance(child, Cell) else depth,
        "children": [tree_of(each, next_of) for each in getattr(child, "children", ())],
    }
    if getattr(child, "paused", False):
        tree["paused"] = True
    if (due := next_of(child.name)) is not None:
        tree["next"] = due
    return tree

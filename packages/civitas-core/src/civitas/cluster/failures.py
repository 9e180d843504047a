"""Exit reasons as plain data, on their way from one node to another."""

from __future__ import annotations

from typing import Any

from civitas.process import ExitKind, ExitReason, PlainError
from civitas.process.failures import cut

__all__ = ["dump_reason", "load_reason", "node_down"]


def dump_reason(reason: ExitReason) -> dict[str, Any]:
    """An exit reason as plain data."""
    failure = reason.failure
    return {
        "kind": str(reason.kind),
        "failure": failure
        and [failure.error_type, cut(failure.error_message), cut(failure.traceback)],
        "headers": dict(reason.headers) if reason.headers else None,
        "at": reason.at,
        "incident": reason.incident,
    }


def load_reason(plain: dict[str, Any]) -> ExitReason:
    """The exit reason that `dump_reason` described."""
    failure = plain["failure"]
    return ExitReason(
        ExitKind(plain["kind"]),
        PlainError(*failure) if failure else None,
        plain["headers"],
        plain["at"],
        plain.get("incident", ""),
    )


def node_down(node: str, incident: str, why: str) -> ExitReason:
    """The exit reason of each agent of a node that went away."""
    return ExitReason(
        ExitKind.NODE_DOWN,
        PlainError("NodeDown", f"its process {node!r} is down: {why}", ""),
        incident=incident,
    )

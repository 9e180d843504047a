"""What the agents of a node have done so far."""

from __future__ import annotations

from collections.abc import Iterator

from civitas.node.registry import Registry
from civitas.process import Cell, ChildKind
from civitas.process.account import Account
from civitas.supervision import ConversationPoolProcess

__all__ = ["accounts_of"]


def accounts_of(registry: Registry) -> Iterator[Account]:
    """Those of the agents and pools that run in the process of a registry."""
    awake: dict[str, list[Cell]] = {}
    for cell in list(registry.values()):
        if isinstance(cell, Cell):
            name, slash, _ = cell.name.partition("/")
            if slash:
                awake.setdefault(name, []).append(cell)
            else:
                yield Account(cell.name, str(cell.kind), str(cell.status), *_sums([cell]))
    for name, pool in list(registry.pools.items()):
        if isinstance(pool, ConversationPoolProcess):
            cells = awake.get(name, [])
            kind = str(ChildKind.CONVERSATION_POOL)
            yield Account(name, kind, str(pool.status), *_sums(cells), len(cells))


def _sums(cells: list[Cell]) -> tuple[int, int, str, int]:
    return (
        sum(cell.mailbox.taken for cell in cells),
        sum(cell.failures for cell in cells),
        next((cell.last_error for cell in cells if cell.last_error), ""),
        sum(len(cell.mailbox) for cell in cells),
    )

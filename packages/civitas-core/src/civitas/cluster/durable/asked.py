"""What other nodes ask of one that puts messages into mailboxes of the broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from civitas.cluster.peers import Peer

if TYPE_CHECKING:
    from civitas.cluster.durable.durable import Durable

__all__ = ["asked_by_all"]


def asked_by_all(
    durable: Callable[[], Durable | None],
) -> dict[str, Callable[..., Awaitable[Any]]]:
    """The calls by name.

    Args:
        durable: What this node puts and reads; None where the broker keeps nothing.
    """

    async def awaits(_: Peer, message_id: str) -> bool:
        """Whether somebody here still waits for an answer."""
        here = durable()
        return here is not None and await here.awaits_here(message_id)

    async def settled(_: Peer, address: str, key: str, number: int) -> list[int]:
        """Of a line of this node: up to where its reader must read, and what is void."""
        here = durable()
        if here is None:
            return [0]
        found = await here.settled_here(address, key, number)
        return [found.until, *found.void]

    return {"awaits": awaits, "line": settled}

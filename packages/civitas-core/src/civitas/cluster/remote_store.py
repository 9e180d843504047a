"""The state store of the root, for a member."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas.cluster.member import MemberNode

__all__ = ["RemoteStore"]


class RemoteStore:
    """Keeps state where the root keeps it: for a store that cannot be opened twice, such as the one in memory.

    So it also outlives the member.
    """

    def __init__(self) -> None:
        self.node: MemberNode | None = None

    async def get(self, key: str) -> dict[str, Any] | None:
        """Read."""
        found: dict[str, Any] | None = await self._call("get", key)
        return found

    async def set(self, key: str, value: dict[str, Any]) -> None:
        """Write; it is as durable on return as the root's store makes it."""
        await self._call("set", key, value)

    async def delete(self, key: str) -> None:
        """Remove; does nothing where there is nothing."""
        await self._call("delete", key)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`."""
        found: list[str] = await self._call("keys", prefix)
        return found

    async def _call(self, what: str, *arguments: Any) -> Any:
        assert self.node is not None  # set before any agent is made
        return await self.node.store_call(what, *arguments)

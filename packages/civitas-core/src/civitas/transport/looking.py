"""What a carrier may offer so that a node is looked into from another machine while its event loop is blocked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = ["Looking", "Shows"]

Shows: TypeAlias = Callable[[bytes, int], bytes | None]
"""Answers a question in so many bytes at most; None if nothing is to be answered. Called in a thread of its own."""


@runtime_checkable
class Looking(Protocol):
    """What a transport may offer whose nodes hear each other by a thread beside their event loops."""

    def let_look(self, shows: Shows | None) -> None:
        """Answer those who look from now on; None answers nobody any more. May be called before `open`."""
        ...

    async def look(self, address: str | None, question: bytes, within: float) -> bytes | None:
        """Ask a node, whether its event loop turns or not.

        It may be called in an event loop of another thread, as long as that of this node is blocked.

        Args:
            address: The other node's; None asks all of them at once.
            question: What its `shows` is called with.
            within: Seconds to wait for the answer.

        Returns:
            The first answer; None if there is none in time.
        """
        ...

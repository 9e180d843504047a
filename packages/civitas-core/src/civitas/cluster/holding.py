"""Messages that the root holds for a member: what was accepted must not end with the process of its sender.

To an agent with `at_least_once` a message that nobody waits for is accepted when the root has it. For an agent of
another process it goes there by way of the root anyway; for one of the same process the root gets a copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from civitas.message import Message

__all__ = ["HeldBeside", "HeldByRoot"]


class HeldByRoot:
    """The messages that are on their way to the root, which is to hold them."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._waiting

    def hold(self, message: Message) -> asyncio.Future[None]:
        """Wait for the root to have `message`; see `Holder.hold`."""
        has_it = self._waiting[message.id] = asyncio.get_running_loop().create_future()
        return has_it

    def release(self, message: Message) -> None:
        """The message never left; see `Holder.release`."""
        self._waiting.pop(message.id, None)

    def told(self, message_ids: Iterable[str]) -> None:
        """The root has these, or they are finished already."""
        for id in message_ids:
            has_it = self._waiting.pop(id, None)
            if has_it is not None and not has_it.done():
                has_it.set_result(None)


class HeldBeside:
    """Hands the root a copy of what agents of this process send each other.

    Args:
        by_root: Waits for the root.
        copy: Sends the root a copy of a message.
        settle: Tells the root that a message is finished.
    """

    def __init__(
        self,
        by_root: HeldByRoot,
        copy: Callable[[Message], None],
        settle: Callable[[Message], None],
    ) -> None:
        self._by_root = by_root
        self._copy = copy
        self._settle = settle

    def hold(self, message: Message) -> asyncio.Future[None]:
        """Send the root a copy; see `Holder.hold`."""
        self._copy(message)
        return self._by_root.hold(message)

    def release(self, message: Message) -> None:
        """The root may forget it; see `Holder.release`."""
        self._by_root.release(message)
        self._settle(message)

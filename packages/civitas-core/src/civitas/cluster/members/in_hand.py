"""Where a member notes which messages its agents are handling.

It does so in a mapped file that the root reads when the member is gone. A process on another machine tells the root
before it begins, and waits until that has noted it: one round trip for each message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from civitas.errors import NodeDown
from civitas.launch.in_hand import InHand
from civitas.node import Registry
from civitas.process import Cell, Delivery

__all__ = ["Notes", "ToldRoot"]


class ToldRoot:
    """Has the root note what is in hand, on another machine.

    Args:
        is_sure: Whether an agent has `at_least_once`; of another nothing is delivered again.
        call_root: Lets the root do something, and waits for that.
        tell_root: Says something to the root.
    """

    outlived, reads = True, False

    def __init__(
        self,
        is_sure: Callable[[str], bool],
        call_root: Callable[..., Awaitable[object]],
        tell_root: Callable[..., None],
    ) -> None:
        self._is_sure = is_sure
        self._call_root = call_root
        self._tell_root = tell_root
        self._noted: dict[str, bool] = {}
        """By id, whether the broker keeps the message: of such a one the first time is not noted."""

    def begun(self, agent: str, id: str, *, kept: bool = False) -> Awaitable[None] | None:
        """A message is about to be handled: wait until the root has noted that."""
        return self._note(id, kept) if self._is_sure(agent) else None

    async def _note(self, id: str, kept: bool) -> None:
        self._noted[id] = kept
        with suppress(NodeDown):  # this process is about to end
            await self._call_root("take_in_hand", id, kept)

    def finished(self, id: str) -> None:
        """A message is finished."""
        if id in self._noted:
            del self._noted[id]
            self._tell_root("drop", id)

    def forgotten(self, id: str) -> None:
        """Nothing was noted of that."""

    def put_back(self, id: str) -> None:
        """One incarnation less was given it: of what the broker keeps, the root knows of one less already."""
        if self._noted.get(id) is False:
            self._tell_root("put_back", id)


class Notes:
    """Chooses where a member notes what is in hand.

    Args:
        registry: Its agents.
        call_root: Lets the root do something, and waits for that.
        tell_root: Says something to the root.
    """

    def __init__(
        self,
        registry: Registry,
        call_root: Callable[..., Awaitable[object]],
        tell_root: Callable[..., None],
    ) -> None:
        self._registry = registry
        self._told_root = ToldRoot(self._is_sure, call_root, tell_root)
        self._mapped: InHand | None = None

    def at(self, file: Path | None) -> InHand | ToldRoot:
        """In a file that the root reads; at the root if there is none, as it is on another machine.

        Raises:
            OSError: The file cannot be made.
        """
        if file is None:
            return self._told_root
        self._mapped = InHand(file, self._is_sure)
        return self._mapped

    def _is_sure(self, agent: str) -> bool:
        cell = self._registry.get(agent)
        return isinstance(cell, Cell) and cell.delivery != Delivery.AT_MOST_ONCE

    def close(self) -> None:
        """The member ends."""
        if self._mapped is not None:
            self._mapped.close()

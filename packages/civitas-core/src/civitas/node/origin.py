"""Where a message of another node came from, as the node that handles it sees that."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from civitas.errors import DeliveryError
from civitas.message import Message

__all__ = ["Origin"]


class Origin(Protocol):
    """Who must hear what becomes of one message: the node that sent it, or whatever carries it."""

    def began(self, agent: str) -> Awaitable[None] | None:
        """The agent `agent` begins to handle the message; it must wait for what this returns."""

    def settled(self) -> None:
        """Whoever had the message is finished with it: nobody needs to send it again."""

    async def heard(self) -> bool:
        """Wait until whoever sent it knows that, and it does not come again; False if that cannot be known any more."""

    def answered(self, reply: Message) -> bool:
        """Hand over the reply; False if nobody is there to take it."""

    def refused(self, error: DeliveryError) -> None:
        """Say that there is no reply, and why."""

    def chunk(self, chunk: Message) -> Awaitable[bool] | bool:
        """Hand over a chunk of a stream; False if nobody is there to take it, or, where it must wait, what says that.

        Raises:
            PayloadError: The chunk is too large to travel.
        """

    def left(self) -> None:
        """Whoever sent the message is gone: nobody waits for the answer any more."""

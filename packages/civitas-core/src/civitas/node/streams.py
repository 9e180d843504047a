"""Chunks on their way from a handler to the reader of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["AHEAD", "Chunks"]

AHEAD = 100
"""How many chunks a producer may be ahead of its reader."""


class Chunks:
    """The chunks of one stream, in order; a slow reader slows the producer."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AHEAD)
        self._queue: asyncio.Queue[tuple[Message, Callable[[], None]] | None] = asyncio.Queue()

    async def put(self, chunk: Message) -> None:
        """Hand over a chunk; waits while the reader is `AHEAD` behind."""
        await self._room.acquire()
        self.push(chunk, self._room.release)

    def push(self, chunk: Message, taken: Callable[[], None]) -> None:
        """Hand over a chunk of a producer that knows by itself how far it is ahead.

        Args:
            chunk: The chunk.
            taken: Called when the reader takes it.
        """
        self._queue.put_nowait((chunk, taken))

    def end(self) -> None:
        """No more will come."""
        self._queue.put_nowait(None)

    async def get(self) -> Message | None:
        """The next chunk, or None after the last."""
        entry = await self._queue.get()
        if entry is None:
            return None
        chunk, taken = entry
        taken()
        return chunk

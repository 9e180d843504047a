"""Chunks on their way from a handler to the reader of a stream."""

from __future__ import annotations

import asyncio
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
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()

    async def put(self, chunk: Message) -> None:
        """Hand over a chunk; waits while the reader is `AHEAD` behind."""
        await self._room.acquire()
        self._queue.put_nowait(chunk)

    def end(self) -> None:
        """No more will come."""
        self._queue.put_nowait(None)

    async def get(self) -> Message | None:
        """The next chunk, or None after the last."""
        chunk = await self._queue.get()
        self._room.release()
        return chunk

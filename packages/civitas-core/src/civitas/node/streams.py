"""Chunks on their way from a handler to the reader of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from civitas.message import encode, new_message

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["AHEAD", "OFFSET", "PART", "Chunks"]

AHEAD = 100
"""How many chunks a producer may be ahead of its reader."""

PART = "civitas-part"
"""Header of a chunk that may be sent again after a crash: which part of the run it is of."""
OFFSET = "civitas-offset"
"""Header of a chunk of text that may be sent again, perhaps cut otherwise: where in its part's text it begins."""


class Chunks:
    """The chunks of one stream, in order; a slow reader slows the producer.

    A run that is resumed after a crash tells some of its chunks again. The reader has the first ones whatever became of
    the producer, so it is here that the repeated ones are left out.
    """

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AHEAD)
        self._queue: asyncio.Queue[tuple[Message, Callable[[], None]] | None] = asyncio.Queue()
        self._heard: dict[str, int] = {}
        """How much of each part was handed on."""
        self.untold = 0
        """How many chunks were taken that a producer in another OS process does not know of."""

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
        """The next chunk that says something new, or None after the last."""
        while (entry := await self._queue.get()) is not None:
            chunk, taken = entry
            taken()
            part = chunk.headers.get(PART)
            if part is None:
                return chunk
            if (new := self._new(chunk, part)) is not None:
                return new
        return None

    def _new(self, chunk: Message, part: str) -> Message | None:
        heard = self._heard.get(part, 0)
        if OFFSET not in chunk.headers:
            self._heard[part] = 1
            return None if heard else chunk
        begin, text = int(chunk.headers[OFFSET]), chunk.payload["text"]
        self._heard[part] = max(heard, begin + len(text))
        if begin >= heard:
            return chunk
        if begin + len(text) <= heard:
            return None
        return new_message(
            chunk.type,
            chunk.sender,
            chunk.recipient,
            encode({**chunk.payload, "text": text[heard - begin :]}),
            correlation_id=chunk.correlation_id,
            conversation=chunk.conversation,
            headers=chunk.headers,
        )

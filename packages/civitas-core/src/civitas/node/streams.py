"""Chunks on their way from a handler to the reader of a stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING

from civitas.message import encode, new_message
from civitas.node.room import Room

if TYPE_CHECKING:
    from civitas.message import Message

__all__ = ["AHEAD", "OFFSET", "PART", "Chunks"]

AHEAD = 100
"""How many chunks a producer may be ahead of its reader."""

_KEPT = 10_000
"""So many chunks of a run are kept for those who join it; of one with more, they get the answer alone."""
_BYTES = 16 * 1024 * 1024
"""The same in bytes."""

PART = "civitas-part"
"""Header of a chunk that may be sent again after a crash: which part of the run it is of."""
OFFSET = "civitas-offset"
"""Header of a chunk of text that may be sent again, perhaps cut otherwise: where in its part's text it begins."""


class Chunks:
    """The chunks of one stream, in order; a slow reader slows the producer.

    A run that is resumed after a crash tells some of its chunks again. The reader has the first ones whatever became of
    the producer, so it is here that the repeated ones are left out.

    Of a run with a name they may be kept, so that others can join: they get all from the beginning, and slow nobody.
    """

    def __init__(self) -> None:
        self._room = Room(AHEAD)
        self._queue: deque[tuple[Message, Callable[[], None]] | None] = deque()
        self._reader: asyncio.Future[None] | None = None
        """What the reader waits for; None while it does not wait."""
        self._heard: dict[str, int] = {}
        """How much of each part was handed on."""
        self.untold = 0
        """How many chunks were taken that a producer in another OS process does not know of."""
        self._kept: list[Message] | None = None
        self._bytes = 0
        self._along: list[Chunks] = []
        """The readers who have joined."""
        self._is_read = True

    def chunk(self, chunk: Message) -> Awaitable[bool] | bool:
        """Hand over a chunk; where the reader is `AHEAD` behind, returns what to wait for. As `Origin.chunk`."""
        if self._is_read and not self._room.take_now():
            return self.put(chunk)
        self.push(chunk, self._room.give)
        return True

    async def put(self, chunk: Message) -> bool:
        """Hand over a chunk as soon as the reader is not that far behind any more; True."""
        await self._room.take()
        self.push(chunk, self._room.give)
        return True

    def push(self, chunk: Message, taken: Callable[[], None]) -> None:
        """Hand over a chunk of a producer that knows by itself how far it is ahead.

        Args:
            chunk: The chunk.
            taken: Called when the reader takes it.
        """
        if self._kept is not None or self._along:
            self._tell_others(chunk)
        if self._is_read:
            self._hand((chunk, taken))
        else:
            taken()

    def keep(self) -> None:
        """Others may join, until `close`."""
        self._kept = []

    def close(self) -> None:
        """Nobody may join any more: the run is over."""
        self._kept = None
        self._along.clear()

    def join(self, reader: Chunks) -> None:
        """Let `reader` have what was kept and what comes; nothing if that is not all."""
        if self._kept is not None:
            for chunk in self._kept:
                reader.push(chunk, _nothing)
            self._along.append(reader)

    def left(self, streams: MutableMapping[str, Chunks], id: str) -> None:
        """The reader has left: it goes out of `streams`, where it is under `id`, unless others may join."""
        self._is_read = False
        while self._queue:
            if (entry := self._queue.popleft()) is not None:
                entry[1]()
        if self._kept is None and not self._along:
            streams.pop(id, None)

    @property
    def is_read(self) -> bool:
        """Whether its reader is there."""
        return self._is_read

    def _tell_others(self, chunk: Message) -> None:
        self._along = [each for each in self._along if each.is_read]
        for each in self._along:
            each.push(chunk, _nothing)
        if self._kept is not None:
            self._kept.append(chunk)
            self._bytes += len(chunk.raw)
            if len(self._kept) > _KEPT or self._bytes > _BYTES:
                self._kept = None

    def end(self) -> None:
        """No more will come."""
        self._hand(None)

    def _hand(self, entry: tuple[Message, Callable[[], None]] | None) -> None:
        self._queue.append(entry)
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    async def get(self) -> Message | None:
        """The next chunk that says something new, or None after the last."""
        while (chunk := self.get_now()) is None:
            if self._queue:  # the end: it stays, for whoever looks again
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return chunk

    def get_now(self) -> Message | None:
        """The next chunk that says something new, if one is there."""
        queue = self._queue
        while queue and (entry := queue[0]) is not None:
            queue.popleft()
            chunk, taken = entry
            taken()
            part = chunk.headers.get(PART) if chunk.headers else None
            if part is None or (new := self._new(chunk, part)) is chunk:
                return chunk
            if new is not None:
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


def _nothing() -> None:
    """Nobody waits for room."""

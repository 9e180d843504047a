"""The chunks of one stream on their way to a reader in another process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from civitas.cluster.frames import Kind
from civitas.errors import PayloadError
from civitas.message import Message, Serializer, dump_chunks, dumps
from civitas.message.large import Large
from civitas.node import AHEAD
from civitas.node.room import Room

__all__ = ["Emitted"]

_AT_ONCE = 25
"""Chunks of a producer that waits for nothing are sent when there are so many."""
_SMALL = 4 * 1024
"""Bytes of the payload of a chunk that may travel with others."""


class Emitted:
    """Sends chunks: the first of a turn of the event loop at once, and those made behind it in that turn together.

    Args:
        send: Sends a frame of a kind with one or more chunks; False if the node is gone.
        serializer: The format of messages; only MessagePack has one for several chunks.
    """

    __slots__ = ("_behind", "_room", "_send", "_serializer", "_together", "_turn_goes_on")

    def __init__(self, send: Callable[[Kind, bytes | Large], bool], serializer: Serializer) -> None:
        self._send = send
        self._serializer = serializer
        self._together = serializer is Serializer.MSGPACK
        self._room = Room(AHEAD)
        self._behind: list[Message] = []
        """Those that travel together."""
        self._turn_goes_on = False
        """Whether one was sent in this turn."""

    def put(self, chunk: Message) -> Awaitable[bool] | bool:
        """Send a chunk, soon.

        Returns:
            False if the node is gone; where it must wait, as its reader is behind, what says that.

        Raises:
            PayloadError: It is too large to travel.
        """
        return self._put(chunk) if self._room.take_now() else self._put_later(chunk)

    def _put(self, chunk: Message) -> Awaitable[bool] | bool:
        if self._turn_goes_on and len(chunk.raw) <= _SMALL and self._together:
            self._behind.append(chunk)
        elif not self._send_alone(chunk):
            return False
        return True if self._room.left % _AT_ONCE else self._give_way()

    async def _put_later(self, chunk: Message) -> bool:
        self.flush()
        await self._room.take()
        sent = self._put(chunk)
        return sent if isinstance(sent, bool) else await sent

    async def _give_way(self) -> bool:
        """Let what was made travel, and be read, while the next is made."""
        self.flush()
        await asyncio.sleep(0)
        return True

    def _send_alone(self, chunk: Message) -> bool:
        self.flush()
        if not self._turn_goes_on:
            # Before the link hears of the chunk, and plans its own turn: so what comes behind it is in that.
            self._turn_goes_on = True
            asyncio.get_running_loop().call_soon(self._turn_is_over)
        try:
            return self._send(Kind.CHUNK, dumps(chunk, self._serializer))
        except PayloadError:
            self._room.give()  # nothing was sent
            raise

    def _turn_is_over(self) -> None:
        self._turn_goes_on = False
        self.flush()

    def flush(self) -> None:
        """Send those that were to travel together."""
        if self._behind:
            chunks, self._behind = self._behind, []
            self._send(Kind.CHUNKS, dump_chunks(chunks))

    def give(self, places: int) -> None:
        """The reader took so many chunks."""
        self._room.give(places)

    def end(self) -> None:
        """No more is read, or will come: those that wait for the reader go on."""
        self.flush()
        self._room.give(AHEAD)

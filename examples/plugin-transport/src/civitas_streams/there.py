"""`There`: another node, the connection to it, the links over that, and who watches it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from civitas.transport import check_frame
from civitas.transport.batches import ANY_RUN, BATCH, Ack
from civitas.transport.window import SendWindow

__all__ = ["There"]

_PAUSE = 0.02
"""Seconds between two tries to connect."""
_ACK = 24
"""Bytes of an acknowledgement: the id of the link, and what `Ack` packs."""


class There:
    """Keeps a connection to a node while anybody wants one.

    Args:
        host: Where the node is reached.
        port: Likewise.
        run: Which run of it, or `ANY_RUN`.
        timeout: Seconds without a connection after which it is lost.
        over: Called when it is lost, or nobody wants anything of it any more.
    """

    def __init__(
        self, host: str, port: int, run: bytes, *, timeout: float, over: Callable[[], object]
    ) -> None:
        self._where = (host, port)
        self._run = run
        self._timeout = timeout
        self._over = over
        self._links: dict[bytes, _Link] = {}
        self._watches: list[_Watch] = []
        self._wanted = asyncio.Event()  # something waits to be sent
        self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    def connect(self, id: bytes) -> _Link:
        """Make a link."""
        self._links[id] = _Link(id, self._run, self._wanted.set, self._left)
        return self._links[id]

    def watch(self, back: Callable[[], None], lost: Callable[[], None]) -> _Watch:
        """Watch it."""
        self._watches.append(_Watch(back, lost, self._left))
        return self._watches[-1]

    def runs(self) -> Iterator[bytes]:
        """The runs that the links lead to."""
        return (link.window.run for link in self._links.values())

    async def close(self) -> None:
        """End everything."""
        self._watches.clear()
        for link in list(self._links.values()):
            link.close()
        self._left()
        await asyncio.wait({self._task})

    def _left(self) -> None:
        """A link or a watch may have been closed."""
        self._links = {id: link for id, link in self._links.items() if not link.over}
        self._watches = [watch for watch in self._watches if not watch.over]
        if not self._links and not self._watches:
            self._task.cancel()
            self._over()

    def _lost(self) -> None:
        watches = self._watches
        self._watches = []
        for link in list(self._links.values()):
            link.close()
        self._left()
        for watch in watches:
            watch.tell_lost()

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        met, deadline = False, loop.time() + self._timeout
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    reader, writer = await asyncio.open_connection(*self._where)
            except OSError:  # refused, or the time is over
                if loop.time() >= deadline:
                    self._lost()
                    return
                await asyncio.sleep(min(_PAUSE, self._timeout))
                continue
            if met:
                for watch in list(self._watches):
                    watch.back()
            met = True
            sending = loop.create_task(self._send(writer))
            try:
                await self._take_answers(reader)
            except (asyncio.IncompleteReadError, OSError):
                deadline = loop.time() + self._timeout  # it broke; what was under way may be lost
            finally:
                sending.cancel()
                writer.transport.abort()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        for link in self._links.values():
            link.window.again()
        while True:
            for link in list(self._links.values()):
                while (batch := link.window.next()) is not None:
                    # No frame is larger than `BATCH`, so that each batch is in one part.
                    (part,) = batch.pack()
                    writer.write(len(part).to_bytes(4) + part)
                    link.window.sent()
                    await writer.drain()
            self._wanted.clear()
            await self._wanted.wait()

    async def _take_answers(self, reader: asyncio.StreamReader) -> None:
        while True:
            answer = await reader.readexactly(_ACK)
            link = self._links.get(answer[:8])
            if link is not None and link.window.take(Ack.unpack(answer[8:])):
                self._lost()  # another node has started in its place


class _Link:
    """A `Link`: what is handed over waits in its window."""

    def __init__(
        self, id: bytes, run: bytes, wanted: Callable[[], None], left: Callable[[], None]
    ) -> None:
        self.window = SendWindow(id, run or ANY_RUN, most=BATCH)
        self.over = False
        self._wanted = wanted
        self._left = left

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Hand over a frame."""
        check_frame(frame)
        if not self.over:
            self.window.put(frame, urgent=urgent)
            self._wanted()

    async def flushed(self) -> None:
        """Wait until everything so far has arrived."""
        if not self.over:
            arrived = self.window.flush()
            self._wanted()
            await arrived

    def close(self) -> None:
        """End it, and drop what waits."""
        if not self.over:
            self.over = True
            self.window.close()
            self._left()


class _Watch:
    """A `Watch`."""

    def __init__(
        self, back: Callable[[], None], lost: Callable[[], None], left: Callable[[], None]
    ) -> None:
        self.back = back
        self.over = False
        self._lost = lost
        self._left = left

    def tell_lost(self) -> None:
        """The node is lost."""
        if not self.over:
            self.over = True
            self._lost()

    def close(self) -> None:
        """Report nothing more."""
        if not self.over:
            self.over = True
            self._left()

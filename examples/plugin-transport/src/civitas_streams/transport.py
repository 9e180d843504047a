"""`StreamTransport`: carries frames over TCP connections of asyncio."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable

from civitas import ConfigurationError
from civitas.transport import CutOff, Link, Watch
from civitas.transport.batches import ANY_RUN, Batch, link_ids, new_id, sender_of
from civitas.transport.window import ReceiveWindow
from civitas_streams.there import There

__all__ = ["HOST", "StreamTransport"]

log = logging.getLogger("civitas.transport")

HOST = "127.0.0.1"
_ADDRESS = re.compile(r"tcp://(?P<host>[^:/#]+):(?P<port>\d+)(#(?P<run>[0-9a-f]{16}))?")
_AT_ONCE = 200
"""So many frames are handed over in one turn of the event loop."""
_LARGEST = 4 * 1024 * 1024
"""Bytes in one batch, which are few where its sender is one of us."""


class StreamTransport:
    """Carries frames over TCP on this machine.

    Args:
        port: Where to be reached; 0 for any that is free.
        node_timeout: Seconds without a connection after which a node is lost.
    """

    def __init__(self, *, port: int = 0, node_timeout: float = 10.0) -> None:
        self.address = ""
        self._port = port
        self._timeout = node_timeout
        self._run = new_id()
        self._ids = link_ids(self._run)
        self._others: dict[str, There] = {}
        self._incoming = ReceiveWindow(self._run, self._known)
        self._arrived: deque[bytes | memoryview] = deque()
        self._batches = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(
        self, receive: Callable[[bytes | memoryview], None], cut_off: CutOff | None = None
    ) -> None:
        """Begin to receive. There is no broker that could be away, so nobody is ever `cut_off`."""
        self._receive = receive
        try:
            self._server = await asyncio.start_server(self._serve, HOST, self._port)
        except OSError as error:
            raise ConfigurationError(
                f"cannot be reached at port {self._port}: {error.strerror}"
            ) from error
        port = self._server.sockets[0].getsockname()[1]
        self.address = f"tcp://{HOST}:{port}#{self._run.hex()}"

    def connect(self, address: str) -> Link:
        """Make a link to the node at an address."""
        return self._there(address).connect(next(self._ids))

    def watch(self, address: str, back: Callable[[], None], lost: Callable[[], None]) -> Watch:
        """Watch the node at an address."""
        return self._there(address).watch(back, lost)

    async def pump(self) -> None:
        """Hand over everything that has arrived, also what is still in the buffers of the system."""
        before = -1
        while before != self._batches:
            before = self._batches
            self._hand_over(len(self._arrived))
            for _ in range(
                3
            ):  # in one turn a connection is seen to be readable, in the next its reader runs
                await asyncio.sleep(0)

    async def close(self) -> None:
        """End all links and watches, and stop receiving."""
        for there in list(self._others.values()):
            await there.close()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        self._arrived.clear()

    def _there(self, address: str) -> There:
        if address not in self._others:
            found = _ADDRESS.fullmatch(address)
            if found is None:
                raise ConfigurationError(f"{address!r} is not an address; it is tcp://HOST:PORT")
            self._others[address] = There(
                found["host"],
                int(found["port"]),
                bytes.fromhex(found["run"]) if found["run"] else ANY_RUN,
                timeout=self._timeout,
                over=lambda: self._others.pop(address, None),
            )
        return self._others[address]

    def _known(self) -> set[bytes]:
        return {sender_of(run) for there in self._others.values() for run in there.runs()}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the batches of one other node, and acknowledge them."""
        task = asyncio.current_task()
        assert task is not None  # a server runs this in one
        self._serving.add(task)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                if size > _LARGEST:
                    raise ValueError(f"a batch of {size:,} bytes")
                batch = Batch.unpack([await reader.readexactly(size)])
                self._batches += 1
                self._arrived.extend(self._incoming.take(batch))
                if batch.answer:
                    writer.write(batch.link + self._incoming.ack(batch.link).pack())
                while self._arrived:
                    self._hand_over(_AT_ONCE)
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the other side is gone, or makes a new connection
        except ValueError as error:
            log.warning("received something that is not a Civitas batch: %s", error)
        except asyncio.CancelledError:
            pass  # a server would log it
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    def _hand_over(self, most: int) -> None:
        for _ in range(min(most, len(self._arrived))):
            if not self._arrived:
                return  # whoever receives has closed this
            try:
                self._receive(self._arrived.popleft())
            except Exception:
                log.exception("a frame that arrived could not be handled")

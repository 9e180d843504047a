"""The other nodes of the system, as one of them sees them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from civitas.cluster.failures import dump_error, load_error
from civitas.cluster.frames import Kind, pack
from civitas.cluster.seal import Seal
from civitas.errors import NodeDown
from civitas.transport.contract import Link

__all__ = ["Calls", "Peer"]


class Peer:
    """Another node, in one of its runs.

    Args:
        name: Of the node.
        boot: Names the run: a restarted process is another peer.
        link: The way to it.
        own_boot: Stands in each frame, so that the peer knows who speaks.
    """

    def __init__(self, name: str, boot: str, address: str, link: Link, own_boot: str) -> None:
        self.name = name
        self.boot = boot
        self.address = address
        self.link = link
        self.gone = ""
        """What happened to it, once it is."""
        self.incident = boot
        """What its end is counted as, once it is."""
        self._own_boot = own_boot

    def send(self, kind: Kind, *fields: Any) -> None:
        """Send what belongs to messages: frames of this sort keep their order."""
        self.link.send(pack(kind, self._own_boot, *fields))

    def signal(self, kind: Kind, *fields: Any) -> None:
        """Send what must not wait behind messages; frames of this sort keep their order, too."""
        self.link.send(pack(kind, self._own_boot, *fields), urgent=True)

    def introduce(self, kind: Kind, seal: Seal, *fields: Any) -> None:
        """Send one of the frames by which nodes meet."""
        self.signal(kind, *fields, seal.of(kind, self._own_boot, self.boot, *fields))

    def cast(self, what: str, *arguments: Any) -> None:
        """Tell it to do something, and do not wait for that."""
        self.signal(Kind.CAST, what, list(arguments))


class Calls:
    """Calls from one node to another that wait for a result, and those that came from others."""

    def __init__(self) -> None:
        self._ids: Iterator[int] = itertools.count(1)
        self._waiting: dict[int, tuple[Peer, asyncio.Future[Any]]] = {}
        self._serving: dict[tuple[str, int], asyncio.Task[None]] = {}
        """What is being done for others, by their boot id and the id of the call."""

    async def call(self, peer: Peer, what: str, *arguments: Any) -> Any:
        """Let `peer` do something; who is cancelled here cancels it there.

        Returns:
            Its result.

        Raises:
            NodeDown: It went away before it had answered.
            Exception: What it raised.
        """
        if peer.gone:  # it may have left in the moment between its arrival and this
            raise NodeDown(peer.name, peer.name, peer.gone)
        id = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id] = (peer, future)
        try:
            peer.signal(Kind.CALL, id, what, list(arguments))
            return await future
        except asyncio.CancelledError:
            peer.signal(Kind.CANCEL, id)
            raise
        finally:
            self._waiting.pop(id, None)

    def returned(self, id: int, succeeded: bool, result: Any) -> None:
        """What became of a call."""
        _, future = self._waiting.get(id, (None, None))
        if future is None or future.done():
            return
        if succeeded:
            future.set_result(result)
        else:
            future.set_exception(load_error(result))

    def lost(self, peer: Peer, why: str) -> None:
        """A peer went away: nobody answers what was called there."""
        peer.gone = why
        for other, future in list(self._waiting.values()):
            if other is peer and not future.done():
                future.set_exception(NodeDown(peer.name, peer.name, why))

    def serve(self, peer: Peer, id: int, work: Callable[[], Awaitable[Any]]) -> None:
        """Do what `peer` called for, and tell it what became of that."""
        task = asyncio.get_running_loop().create_task(self._serve(peer, id, work))
        self._serving[peer.boot, id] = task
        task.add_done_callback(lambda _: self._serving.pop((peer.boot, id), None))

    def cancelled(self, peer: Peer, id: int) -> None:
        """`peer` does not wait for its call any more."""
        task = self._serving.get((peer.boot, id))
        if task is not None:
            task.cancel()

    async def _serve(self, peer: Peer, id: int, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            result = await work()
            peer.signal(Kind.RETURN, id, True, result)
        except Exception as error:  # a result that cannot be sent, too: whoever called must hear
            peer.signal(Kind.RETURN, id, False, dump_error(error))

    async def close(self) -> None:
        """End what is still being done for others."""
        serving = list(self._serving.values())
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

"""Calls between nodes that wait for a result: those of this node, and those that it does for others."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from civitas.cluster.frames import Kind
from civitas.cluster.peers import Peer
from civitas.cluster.shapes import ERROR, Shape
from civitas.cluster.words import RESULTS
from civitas.errors import ConfigurationError, NodeDown
from civitas.process.failures import dump_error, load_error

__all__ = ["Calls"]

_FAILED = Shape(ERROR)


class Calls:
    """Calls from one node to another that wait for a result, and those that came from others."""

    def __init__(self) -> None:
        self._ids: Iterator[int] = itertools.count(1)
        self._waiting: dict[int, tuple[Peer, Shape, asyncio.Future[Any]]] = {}
        self._serving: dict[tuple[str, int], asyncio.Task[None]] = {}
        """What is being done for others, by their boot id and the id of the call."""

    async def call(self, peer: Peer, what: str, *arguments: Any, behind: bool = False) -> Any:
        """Let `peer` do something; who is cancelled here cancels it there.

        Args:
            peer: The node.
            what: The name of the call.
            *arguments: Of the call.
            behind: Whether it comes behind the messages and answers that were sent before; otherwise it overtakes them.

        Returns:
            Its result.

        Raises:
            NodeDown: It went away before it had answered.
            Exception: What it raised.
        """
        peer = peer.became or peer
        if peer.gone:  # it may have left in the moment between its arrival and this
            raise _down(peer, peer.gone)
        id = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[id] = (peer, RESULTS[what], future)
        try:
            (peer.send if behind else peer.signal)(Kind.CALL, id, what, list(arguments))
            return await future
        except asyncio.CancelledError:
            peer.signal(Kind.CANCEL, id)
            raise
        finally:
            self._waiting.pop(id, None)

    def returned(self, peer: Peer, id: int, succeeded: bool, result: Any) -> None:
        """What became of a call.

        Raises:
            ConfigurationError: The result has another shape.
        """
        asked, shape, future = self._waiting.get(id, (None, None, None))
        if future is None or future.done() or shape is None or asked is not peer:
            return
        if not (shape if succeeded else _FAILED).fits([result]):
            raise ConfigurationError("what it returned from a call has the wrong shape")
        if succeeded:
            future.set_result(result)
        else:
            future.set_exception(load_error(result))

    def lost(self, peer: Peer, why: str) -> None:
        """A peer went away: nobody answers what was called there."""
        for other, _, future in list(self._waiting.values()):
            if other is peer and not future.done():
                future.set_exception(_down(peer, why))

    def moved(self, peer: Peer, to: Peer) -> None:
        """What was called at `peer` is answered by another."""
        for id, (other, shape, future) in self._waiting.items():
            if other is peer:
                self._waiting[id] = to, shape, future

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

    def abandon(self, peer: Peer) -> None:
        """`peer` is gone, and waits for none of its calls any more."""
        for (boot, _), task in list(self._serving.items()):
            if boot == peer.boot:
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


def _down(peer: Peer, why: str) -> NodeDown:
    return NodeDown(peer.name, peer.name, why, advice="Look for its end in the log, then try again")

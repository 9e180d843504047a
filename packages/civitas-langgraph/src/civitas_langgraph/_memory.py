"""What is kept of a conversation: its thread of checkpoints."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from civitas.frameworks import current_run
from civitas.state import LongRecord
from civitas_langgraph._thread import Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from civitas.frameworks import Run
    from civitas.state import StateStore


__all__ = ["RunThread"]

_MOST_AWAKE = 128 * 1024 * 1024
"""Bytes of memory that the threads may take together which stay in memory from one run to the next."""


class RunThread:
    """The one thread of a run.

    What is kept of a conversation changes when a run has ended well, so one that fails or is given up leaves no trace.
    Until then a durable run is kept at each step, in a place of its own. Any other holds the graph's own objects, and
    one that need not be kept may hold what cannot be stored.

    What goes on in a thread when its run was cancelled comes too late: it would write into the next run.

    Args:
        store: The runtime's.
        key: Where it is kept; None for a thread that begins now and need not be kept.
        serde: LangGraph's serializer.
        passing: Where a durable run keeps it meanwhile; None for any other.
        run: Whose thread it is; None for one that is only looked at.
        longest: How many messages are left of each list when a run is over; None for all.
        beside: Says what is to be in the store when the next checkpoint of a durable run is, by its keys.
        pins: Whether the checkpoint that the run begins from is kept as long as it waits for humans, so that it can
            start over.
    """

    def __init__(
        self,
        store: StateStore,
        key: str | None,
        serde: SerializerProtocol,
        *,
        passing: str | None = None,
        run: Run | None = None,
        longest: int | None = None,
        beside: Callable[[], Mapping[str, dict[str, Any]]] | None = None,
        pins: bool = False,
    ) -> None:
        self._run = run
        self._beside = beside
        self._pins = pins
        self._longest = longest
        self._serde = serde
        self._store = store
        self._key = key
        self._passing = passing
        self._opening = asyncio.Lock()
        self._thread: Thread | None = None

    async def open(self) -> Thread:
        """The thread."""
        if self._run is not None and current_run.get() is not self._run:
            raise RuntimeError(
                "the run that this belongs to was given up, and nothing of it is kept"
            )
        if self._thread is None:
            async with self._opening:
                if self._thread is None:
                    self._thread = await self._load()
        if self._beside is not None and (more := self._beside()):
            self._thread.beside = {**self._thread.beside, **more}
        return self._thread

    async def _load(self) -> Thread:
        live = self._passing is None
        where = self._passing or self._key
        if where is None:
            return Thread(self._serde, live=True)
        known = _AWAKE.take(self._key, self._serde) if self._key is not None else None
        kept = await LongRecord.load(
            self._store, where, home=self._key, known=known.kept if known is not None else None
        )
        thread = known.renewed(kept) if known is not None else Thread(self._serde, kept)
        thread.live = live
        if self._pins and self._run is not None:
            self._pin(thread, self._run)
        if self._run is None and self._key is not None:
            _AWAKE.keep(self._key, thread)
        return thread

    @staticmethod
    def _pin(thread: Thread, run: Run) -> None:
        """Have the checkpoint kept that a run begins from; or begin from the one that was kept, if it starts over."""
        if thread.pinned is not None and thread.pinned[0] == run.message.id:
            return  # by an earlier delivery
        if run.starts_over and thread.pinned is not None:
            thread.rewind(thread.pinned[1])
        elif run.answers is not None and thread.pinned is not None:
            return
        thread.pinned = (run.message.id, max(thread.spaces.get("", ()), default=""))

    async def keep(self, key: str | None = None, begun: Mapping[str, Any] | None = None) -> None:
        """The run has ended well, or waits for a human: keep its thread.

        Args:
            key: Where; by default where it was. Nothing is kept if there is none.
            begun: What it began with, if it waits.
        """
        key, thread = key or self._key, self._thread
        if key is None or thread is None:
            return
        thread.begun = begun
        if begun is None:
            thread.pinned = None
        if key != self._key:
            copy = Thread(self._serde, await LongRecord.load(self._store, key), live=thread.live)
            copy.copy(thread)
            self._key, self._thread = key, copy
            await copy.save()
        else:
            async with thread.lock:
                await thread.save(join=self._passing is not None)
            _AWAKE.keep(key, thread)

    async def finish(self) -> None:
        """The run is over: keep its thread without what its subgraphs had on the way."""
        thread = self._thread
        if thread is None:
            return
        # The namespace of a subgraph that remembers nothing ends with the id of the task it ran in.
        left = {ns: space for ns, space in thread.spaces.items() if ":" not in ns}
        if len(left) < len(thread.spaces):
            thread.reduce(left)
        if self._longest is not None:
            thread.shorten(self._longest)
        await self.keep()


class _Awake:
    """The threads of conversations that were used last; whoever takes one looks whether the store has it still."""

    def __init__(self) -> None:
        self._size = 0
        self._threads: OrderedDict[tuple[str, int], tuple[Thread, int]] = OrderedDict()

    def take(self, key: str, serde: SerializerProtocol) -> Thread | None:
        """The thread under `key`, which is the caller's own from now on; None if it is not here.

        Args:
            key: In the state store.
            serde: Of the agent; each incarnation has its own.
        """
        thread, size = self._threads.pop((key, id(serde)), (None, 0))
        self._size -= size
        return thread

    def keep(self, key: str, thread: Thread) -> None:
        """Keep a thread that is stored, and that nobody uses."""
        self.take(key, thread.serde)
        size = thread.size
        # The thread has its serializer, so that nothing else gets the id of that.
        self._threads[key, id(thread.serde)] = (thread, size)
        self._size += size
        while self._size > _MOST_AWAKE:
            _, (_, size) = self._threads.popitem(last=False)
            self._size -= size


_AWAKE = _Awake()
"""Those of this OS process."""

"""Threads that stay in memory from one run to the next."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from civitas_langgraph._thread import Thread

__all__ = ["AWAKE", "Awake"]

_MOST = 128 * 1024 * 1024
"""Bytes of memory that they may take together."""


class Awake:
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
        while self._size > _MOST:
            _, (_, size) = self._threads.popitem(last=False)
            self._size -= size


AWAKE = Awake()
"""Those of this OS process."""

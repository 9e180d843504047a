"""`RunThread`: where the checkpoints of one run are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from civitas.frameworks import current_run

if TYPE_CHECKING:
    from civitas.frameworks import Run
    from civitas.state import StateStore

__all__ = ["RunThread"]


class RunThread:
    """The one thread of a run, in memory in front of the StateStore; a state store to its saver.

    What is kept of a conversation changes when a run has ended well, so one that fails or is given up leaves no trace.
    Until then a durable run is kept at each step, in a place of its own. Any other holds the graph's own objects, and
    one that need not be kept may hold what cannot be stored.

    What goes on in a thread when its run was cancelled comes too late: it would write into the next run.

    Args:
        store: The runtime's.
        key: Where it is kept; None for a thread that begins now and need not be kept.
        dump: Makes of the thread what can be stored.
        passing: Where a durable run keeps it meanwhile; None for any other.
        again: An earlier attempt at the run may have kept it there.
        run: Whose thread it is; None for one that is only looked at.
    """

    def __init__(
        self,
        store: StateStore,
        key: str | None,
        dump: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        *,
        passing: str | None = None,
        again: bool = False,
        run: Run | None = None,
    ) -> None:
        self._run = run
        self._dump = dump
        self._store = store
        self._key = key
        self._passing = passing
        self._sources = [each for each in (passing if again else None, key) if each is not None]
        self._loaded = False
        self._thread: Mapping[str, Any] | None = None

    async def get(self, key: str) -> Any:
        """The thread. There is one, whatever its key."""
        self._check()
        if not self._loaded:
            found = await self._find()
            if not self._loaded:  # it was not set meanwhile
                self._thread, self._loaded = found, True
        return self._thread

    async def _find(self) -> Mapping[str, Any] | None:
        for source in self._sources:
            found = await self._store.get(source)
            if found is not None:
                return found
        return None

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep the thread, for good where the run is durable."""
        self._check()
        self._thread, self._loaded = value, True
        if self._passing is not None:
            await self._store.set(self._passing, value)

    def _check(self) -> None:
        if self._run is not None and current_run.get() is not self._run:
            raise RuntimeError(
                "the run that this belongs to was given up, and nothing of it is kept"
            )

    async def delete(self, key: str) -> None:
        """Forget the thread."""
        await self.set(key, {})

    async def keep(self, key: str | None = None) -> None:
        """The run has ended well, or waits for a human: keep its thread.

        Args:
            key: Where; where it was by default. Nothing is kept where there is none.
        """
        key = key or self._key
        if key is not None and self._thread is not None:
            await self._store.set(key, self._dump(self._thread))

    async def finish(self) -> None:
        """The run is over: keep its thread without what its subgraphs had on the way."""
        thread = self._thread or {}
        # The namespace of a subgraph that remembers nothing ends with the id of the task it ran in.
        left = {ns: kept for ns, kept in thread.items() if ":" not in ns}
        if len(left) < len(thread):
            self._thread = left
        await self.keep()

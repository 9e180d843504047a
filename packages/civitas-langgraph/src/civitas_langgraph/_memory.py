"""What is kept of a conversation: its thread of checkpoints, here or in a checkpointer of the user's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from civitas.frameworks import current_run
from civitas.state import LongRecord
from civitas.state.in_order import write_in_order
from civitas_langgraph._awake import AWAKE
from civitas_langgraph._inputs import MESSAGE
from civitas_langgraph._thread import Thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from civitas.frameworks import Run
    from civitas.state import StateStore


__all__ = ["OwnThread", "RunThread"]

_ASKED = "asked"
"""In the note of a thread of the user's, what is known of the run whose question is open."""


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
        beside: What is to be in the store when a durable run has its first checkpoint there, by its keys.
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
        beside: Mapping[str, dict[str, Any]] | None = None,
        pins: bool = False,
    ) -> None:
        self._run = run
        self._beside = beside or {}
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
        return self._thread

    async def _load(self) -> Thread:
        live = self._passing is None
        where = self._passing or self._key
        if where is None:
            return Thread(self._serde, live=True)
        known = AWAKE.take(self._key, self._serde) if self._key is not None else None
        kept = await LongRecord.load(
            self._store, where, home=self._key, known=known.kept if known is not None else None
        )
        thread = known.renewed(kept) if known is not None else Thread(self._serde, kept)
        thread.live, thread.beside = live, self._beside
        if self._pins and self._run is not None:
            self._pin(thread, self._run)
        if self._run is None and self._key is not None:
            AWAKE.keep(self._key, thread)
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
            AWAKE.keep(key, thread)

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


class OwnThread:
    """Notes from which checkpoint a run began, so that the next one can leave it behind if it was abandoned.

    Nothing of the user's is taken back: a run that begins at an earlier checkpoint is a branch of its thread, as
    LangGraph's time travel makes it. Only a thread that the abandoned run itself began is deleted.

    Args:
        store: The runtime's, where the note is kept.
        key: Of the note.
        run: Whose thread it is; None for one that is only looked at. One that starts over leaves those checkpoints
            behind, too, of the run whose question it answers; one that forgets, its own.
        beside: What is to be in the store when the note is, by its keys.
    """

    def __init__(
        self,
        store: StateStore,
        key: str,
        run: Run | None = None,
        beside: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._message = run.message.id if run is not None else ""
        self._answers = run is not None and (run.answers is not None or run.starts_over)
        self._starts_over = run is not None and run.starts_over
        self._forgets = run is not None and run.forgets
        self._beside = beside or {}

    async def begin(self, saver: Any, config: RunnableConfig) -> RunnableConfig:
        """`config` so that the run begins where the last one that ended well stopped, or goes on with its own.

        Args:
            saver: The user's.
            config: That names the thread.
        """
        head = await saver.aget_tuple(config)
        noted = await self._store.get(self._key) or {}
        own = head is not None and head.metadata.get(MESSAGE) == self._message
        if own and not self._forgets:
            return config
        if self._starts_over and _ASKED in noted:
            return await self._back_at(noted[_ASKED]["before"], saver, config, noted)
        if own:
            return await self._back_at(noted["before"], saver, config, noted)
        before, given_up = self._before(noted, head)
        if given_up:
            return await self._back_at(before, saver, config, noted)
        await self._note(before, noted)
        return config

    async def _back_at(
        self, before: str | None, saver: Any, config: RunnableConfig, noted: Mapping[str, Any]
    ) -> RunnableConfig:
        if before is None:
            await saver.adelete_thread(config["configurable"]["thread_id"])
        await self._note(before, noted)
        return _at(config, before)

    async def _note(self, before: str | None, noted: Mapping[str, Any]) -> None:
        note = {"message": self._message, "before": before}
        if _ASKED in noted:  # until it is answered, or left behind by a run that ends well
            note[_ASKED] = noted[_ASKED]
        await write_in_order(self._store, {}, {**self._beside, self._key: note}, (), expect={})
        self._beside = {}

    async def stands(self, saver: Any, config: RunnableConfig) -> RunnableConfig:
        """`config` so that it names where the last run that was not abandoned stopped."""
        noted = await self._store.get(self._key) or {}
        before, given_up = self._before(noted, await saver.aget_tuple(config))
        return _at(config, before) if given_up else config

    async def asked(self) -> Mapping[str, Any] | None:
        """What the run began with whose question is open, as `Run.begun`; None if none is, or nobody knows."""
        found = (await self._store.get(self._key) or {}).get(_ASKED)
        return found and found["begun"]

    async def keep(self, key: str | None = None, begun: Mapping[str, Any] | None = None) -> None:
        """The run has ended well, or waits for a human: the thread is as it should be.

        Args:
            key: Where a thread of ours would be kept.
            begun: What it began with, if it waits.
        """
        if begun is None:
            await self._store.delete(self._key)
            return
        noted = await self._store.get(self._key) or {}
        if self._answers and _ASKED in noted:
            noted = noted[_ASKED]
        asked = {"begun": begun, "before": noted.get("before")}
        await self._store.set(self._key, {_ASKED: asked})

    async def finish(self) -> None:
        """The run is over."""
        await self.keep()

    def _before(
        self, noted: Mapping[str, Any], head: CheckpointTuple | None
    ) -> tuple[str | None, bool]:
        """The checkpoint to begin from, and whether the newest, `head`, is of a run that was abandoned."""
        newest = head.config["configurable"]["checkpoint_id"] if head is not None else None
        if "message" not in noted or noted["message"] == self._message or head is None:
            # An earlier attempt that came to no checkpoint found where to begin.
            before = noted.get("before") if head is not None else None
            return before or newest, before not in (None, newest)
        metadata: Mapping[str, Any] = head.metadata
        given_up = noted["message"] == metadata.get(MESSAGE)
        return (noted["before"] if given_up else newest), given_up


def _at(config: RunnableConfig, checkpoint: str | None) -> RunnableConfig:
    if checkpoint is None:
        return config
    return {**config, "configurable": {**config["configurable"], "checkpoint_id": checkpoint}}

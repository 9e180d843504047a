"""`StateStoreSaver`: LangGraph's checkpoints in a StateStore."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, cast

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    CheckpointTuple,
    copy_checkpoint,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from civitas.errors import ConfigurationError
from civitas.state import LongRecord
from civitas.state.in_order import is_piece
from civitas_langgraph._blocking import BlockingSaver
from civitas_langgraph._checkpoints import HeldValue, KeptCheckpoint, Write
from civitas_langgraph._deltas import lineage, rebuilt, with_ancestors
from civitas_langgraph._options import checked_history
from civitas_langgraph._thread import Thread
from civitas_langgraph._untracked import Untracked

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        DeltaChannelHistory,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from civitas.state import StateStore
    from civitas_langgraph._memory import RunThread

__all__ = ["StateStoreSaver"]

_TURNS = 4
"""Turns of the event loop in which the checkpoint may come that makes pending writes needless."""
_MOST_OPEN = 16
"""Threads that a saver keeps in memory beside those that are being written."""


class StateStoreSaver(BlockingSaver):
    """Keeps the checkpoints of LangGraph's threads in a StateStore, each thread under a key of its own and keys below.

    Whatever is put is stored when the call returns, and what a checkpoint has in common with the one before it is not
    stored again. One saver at a time writes a thread: an agent sees to that, as it handles the messages of a
    conversation one after the other; where the store has revisions, a second one is refused. The methods that block are
    for plain functions of an agent, which run in threads.

    Args:
        store: Where to keep them.
        prefix: What the keys begin with; the thread's id follows.
        history: How many checkpoints of each namespace are kept: "all", as True says too, or a number. 1, or False, is
            what a run goes on from. Those that a `DeltaChannel` is rebuilt from are kept in any case.
        serde: LangGraph's serializer. By default its strict form: what is read back are plain data, LangChain's own
            classes, and those that `with_allowlist` adds; an object of any other class comes back as the data in it.

    Raises:
        ConfigurationError: `history` is something else.
    """

    def __init__(
        self,
        store: StateStore,
        prefix: str,
        *,
        history: Literal["all"] | int = "all",
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        self.store: Any = store
        self._prefix = prefix
        self._history = checked_history(history, "StateStoreSaver")
        self._lent: RunThread | None = None
        self._seats: OrderedDict[tuple[str, int], _Seat] = OrderedDict()
        self._untracked = Untracked()
        """What to leave out."""

    # Where a thread is kept.

    def _lend(self, thread: RunThread) -> None:
        """Work on this one thread from now on, whatever its id: that of the run of an agent."""
        self._lent = thread

    @asynccontextmanager
    async def _thread(self, thread_id: str, *, fresh: bool = False) -> AsyncIterator[Thread]:
        """The thread; `fresh` looks whether somebody else has written it meanwhile."""
        if self._lent is not None:
            yield await self._lent.open()
            return
        key = f"{self._prefix}{thread_id}"
        # A copy of this saver may have another serializer.
        place = (key, id(self.serde))
        seat = self._seats.setdefault(place, _Seat(self.serde))
        self._seats.move_to_end(place)
        seat.users += 1
        try:
            async with seat.lock:
                thread = seat.thread
                if thread is None or (thread.is_lost and seat.users == 1):
                    thread = Thread(self.serde, await LongRecord.load(self.store, key))
                elif fresh and seat.users == 1:
                    kept = await LongRecord.load(self.store, key, known=thread.kept)
                    thread = thread.renewed(kept)
                seat.thread = thread
            yield thread
        finally:
            seat.users -= 1
            for old in list(self._seats)[:-_MOST_OPEN]:
                if self._seats[old].users == 0:
                    del self._seats[old]

    async def _save(self, thread: Thread) -> None:
        """Have what was changed stored, after a few turns in which somebody else may have done so."""
        if not thread.is_stored:
            return
        mark = thread.changes
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if thread.saved >= mark:
                return
        async with thread.lock:
            if thread.saved < mark:
                await thread.save()

    async def _threads(self) -> list[str]:
        keys = getattr(self.store, "keys", None)
        if keys is None:
            raise ConfigurationError(
                "the StateStore has no keys(prefix), which is needed to look through all threads; "
                "name the thread in the config"
            )
        found = await keys(self._prefix)
        return [key.removeprefix(self._prefix) for key in found if not is_piece(key)]

    # Reading.

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the newest of its thread."""
        thread_id, ns = _place(config)
        async with self._thread(thread_id, fresh=True) as thread:
            space = thread.spaces.get(ns)
        if not space:
            return None
        id = get_checkpoint_id(config) or max(space)
        return self._tuple(thread, thread_id, ns, id) if id in space else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """The checkpoints of a thread, or of all, newest first."""
        about: Mapping[str, Any] = config["configurable"] if config is not None else {}
        threads = [str(about["thread_id"])] if "thread_id" in about else await self._threads()
        wanted = about.get("checkpoint_id")
        end = get_checkpoint_id(before) if before is not None else None
        for thread_id in threads:
            async with self._thread(thread_id, fresh=True) as thread:
                spaces = list(thread.spaces.items())
            for ns, space in spaces:
                if ns != about.get("checkpoint_ns", ns):
                    continue
                for id in sorted(space, reverse=True):
                    if (wanted and id != wanted) or (end and id >= end):
                        continue
                    metadata: Mapping[str, Any] = space[id].metadata.read(self.serde.loads_typed)
                    if any(metadata.get(key) != value for key, value in (filter or {}).items()):
                        continue
                    if limit is not None and limit <= 0:
                        return
                    limit = limit and limit - 1
                    yield self._tuple(thread, thread_id, ns, id)

    def _tuple(self, thread: Thread, thread_id: str, ns: str, id: str) -> CheckpointTuple:
        def config(id: str) -> RunnableConfig:
            return {
                "configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": id}
            }

        kept = thread.spaces[ns][id]
        loads = self.serde.loads_typed
        checkpoint = {**kept.body.read(loads), "channel_values": thread.values(kept)}
        return CheckpointTuple(
            config(id),
            # LangGraph goes on with it as its own.
            copy_checkpoint(cast("Checkpoint", checkpoint)),
            cast("CheckpointMetadata", {**kept.metadata.read(loads)}),
            config(kept.parent) if kept.parent else None,
            [(each.task, each.channel, each.held.read(loads)) for each in kept.writes()],
        )

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What `channels` are rebuilt from at a checkpoint: a value, and what was written since."""
        thread_id, ns = _place(config)
        async with self._thread(thread_id) as thread:
            space = thread.spaces.get(ns, {})
        id = get_checkpoint_id(config) or max(space, default="")
        found: dict[str, DeltaChannelHistory] = {each: {"writes": []} for each in channels}
        for each, history in found.items() if id in space else ():
            ancestors = [ancestor for ancestor, _ in lineage(space, id, {each})]
            for ancestor in reversed(ancestors):
                history["writes"] += [
                    (write.task, write.channel, write.held.read(self.serde.loads_typed))
                    for write in space[ancestor].writes()
                    if write.channel == each
                ]
            values = thread.values(space[ancestors[-1]]) if ancestors else {}
            if each in values:
                history["seed"] = values[each]
        return found

    # Writing.

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        thread_id, ns = _place(config)
        told = get_checkpoint_metadata(config, metadata)
        values = self._untracked.kept(ns, checkpoint["channel_values"])
        body = {key: value for key, value in checkpoint.items() if key != "channel_values"}
        kept = KeptCheckpoint(
            HeldValue(body),
            HeldValue(told),
            told.get("run_id"),
            get_checkpoint_id(config),
            rebuilt(checkpoint, told),
            live=values,
        )
        async with self._thread(thread_id) as thread, thread.lock:
            thread.put(ns, checkpoint["id"], kept, self._history)
            if thread.is_stored:
                await thread.save()
        return {
            "configurable": {
                "thread_id": thread_id,
                "checkpoint_ns": ns,
                "checkpoint_id": checkpoint["id"],
            }
        }

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote, until the checkpoint made of it is there."""
        thread_id, ns = _place(config)
        given = [
            Write(
                task_id, WRITES_IDX_MAP.get(channel, number), channel, HeldValue(value), task_path
            )
            for number, (channel, value) in enumerate(writes)
            if (ns, channel) not in self._untracked
        ]
        async with self._thread(thread_id) as thread:
            thread.add_writes(ns, get_checkpoint_id(config) or "", given)
            await self._save(thread)

    # Forgetting.

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        async with self._thread(thread_id, fresh=True) as thread:
            await self._replace(thread, {})

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs, in whatever thread; but not what those of others are rebuilt from."""
        for thread_id in await self._threads():
            async with self._thread(thread_id, fresh=True) as thread:
                left: dict[str, dict[str, KeptCheckpoint]] = {}
                for ns, space in thread.spaces.items():
                    others = [id for id, each in space.items() if each.run_id not in run_ids]
                    left[ns] = with_ancestors(space, others)
                if left != thread.spaces:
                    await self._replace(thread, left)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread, with its whole history."""
        if source_thread_id == target_thread_id:
            return
        async with (
            self._thread(source_thread_id, fresh=True) as source,
            self._thread(target_thread_id, fresh=True) as target,
            target.lock,
        ):
            target.copy(source)
            if target.is_stored:
                await target.save()

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Forget threads, or all but the newest checkpoint of each namespace and what that is rebuilt from."""
        for thread_id in thread_ids:
            async with self._thread(thread_id, fresh=True) as thread:
                newest = strategy == "keep_latest"
                left = {
                    ns: with_ancestors(space, [max(space)]) if newest else {}
                    for ns, space in thread.spaces.items()
                }
                await self._replace(thread, left)

    async def _replace(
        self, thread: Thread, spaces: Mapping[str, Mapping[str, KeptCheckpoint]]
    ) -> None:
        async with thread.lock:
            thread.reduce(spaces)
            if thread.is_stored:
                await thread.save()


class _Seat:
    """The place of a thread that a saver has in memory."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self.serde = serde
        self.lock = asyncio.Lock()
        self.thread: Thread | None = None
        self.users = 0


def _place(config: RunnableConfig) -> tuple[str, str]:
    about = config["configurable"]
    return str(about["thread_id"]), about.get("checkpoint_ns", "")


# LangGraph looks it up at the start of each run; a function that has it at hand is asked in a fraction of the time.
StateStoreSaver.aput_writes.__signature__ = signature(StateStoreSaver.aput_writes)  # type: ignore[attr-defined]

"""`StateStoreSaver`: LangGraph's checkpoints in a StateStore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from civitas.errors import ConfigurationError
from civitas_langgraph._blocking import BlockingSaver
from civitas_langgraph._deltas import KeptCheckpoint, in_order, lineage, rebuilt, with_ancestors
from civitas_langgraph._untracked import Untracked
from civitas_langgraph._unwritable import place_of, unwritable, values_of

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

__all__ = ["StateStoreSaver"]


_LIVE = "live"


_Thread = dict[str, dict[str, KeptCheckpoint]]
"""All that is kept of a thread: for each namespace its checkpoints by id, oldest first. Ids grow with time."""


class StateStoreSaver(BlockingSaver):
    """Keeps the checkpoints of LangGraph's threads in a StateStore, each thread under a key of its own.

    Whatever is put is stored when the call returns. One saver at a time writes a thread: an agent sees to that, as it
    handles the messages of a conversation one after the other. Its methods that block are for plain functions of an
    agent, which run in threads.

    Args:
        store: Where to keep them.
        prefix: What the keys begin with; the thread's id follows.
        history: Keep every checkpoint of a thread; without, what a run goes on from: the newest of each namespace, and
            of the ones before what a `DeltaChannel` is rebuilt from.
        serde: LangGraph's serializer. By default its strict form: what is read back are plain data, LangChain's own
            classes, and those that `with_allowlist` adds; an object of any other class comes back as the data in it.
    """

    def __init__(
        self,
        store: StateStore,
        prefix: str,
        *,
        history: bool = True,
        serde: SerializerProtocol | None = None,
    ) -> None:
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=None))
        self.store: Any = store
        self._prefix = prefix
        self._history = history
        self._live = False
        self.untracked = Untracked()
        """What to leave out."""
        self._early: dict[tuple[str, str, str], list[list[Any]]] = {}
        """What was written for checkpoints that are still on their way: LangGraph puts both at once."""
        # The tasks of one step write beside each other.
        self._writing = asyncio.Lock()

    # Where a thread is kept.

    def keep_in(self, store: StateStore, *, live: bool) -> None:
        """Keep threads in `store` from now on.

        Args:
            store: Where.
            live: Hand what is put to it as it is, as it keeps that in memory; see `dump`.
        """
        self.store = store
        self._live = live
        self._early.clear()

    def _key(self, thread_id: str) -> str:
        return f"{self._prefix}{thread_id}"

    async def _load(self, thread_id: str) -> _Thread:
        kept = await self.store.get(self._key(thread_id))
        return cast(_Thread, kept) if kept is not None else {}

    async def _save(self, thread_id: str, thread: _Thread) -> None:
        if thread:
            await self.store.set(self._key(thread_id), thread)
        else:
            await self.store.delete(self._key(thread_id))

    async def _threads(self) -> list[str]:
        keys = getattr(self.store, "keys", None)
        if keys is None:
            raise ConfigurationError(
                "the StateStore has no keys(prefix), which is needed to look through all threads; "
                "name the thread in the config"
            )
        return [key.removeprefix(self._prefix) for key in await keys(self._prefix)]

    # Reading.

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or the newest of its thread."""
        thread_id, ns = _place(config)
        kept = (await self._load(thread_id)).get(ns)
        if not kept:
            return None
        id = get_checkpoint_id(config) or max(kept)
        return self._tuple(thread_id, ns, id, kept[id]) if id in kept else None

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
            for ns, kept in (await self._load(thread_id)).items():
                if ns != about.get("checkpoint_ns", ns):
                    continue
                for id in sorted(kept, reverse=True):
                    if (wanted and id != wanted) or (end and id >= end):
                        continue
                    found = self._tuple(thread_id, ns, id, kept[id])
                    metadata: Mapping[str, Any] = found.metadata
                    if any(metadata.get(key) != value for key, value in (filter or {}).items()):
                        continue
                    if limit is not None and limit <= 0:
                        return
                    limit = limit and limit - 1
                    yield found

    def _tuple(self, thread_id: str, ns: str, id: str, kept: KeptCheckpoint) -> CheckpointTuple:
        def config(id: str) -> RunnableConfig:
            return {
                "configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": id}
            }

        return CheckpointTuple(
            config(id),
            self._read(kept["checkpoint"]),
            cast("CheckpointMetadata", self._read(kept["metadata"])),
            config(kept["parent"]) if kept["parent"] else None,
            [self._write(each) for each in in_order(kept["writes"])],
        )

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What `channels` are rebuilt from at a checkpoint: a value, and what was written since."""
        thread_id, ns = _place(config)
        kept = (await self._load(thread_id)).get(ns, {})
        id = get_checkpoint_id(config) or max(kept, default="")
        found: dict[str, DeltaChannelHistory] = {each: {"writes": []} for each in channels}
        for each, history in found.items() if id in kept else ():
            ancestors = [ancestor for ancestor, _ in lineage(kept, id, {each}, self._rebuilt)]
            for ancestor in reversed(ancestors):
                history["writes"] += [
                    self._write(write)
                    for write in in_order(kept[ancestor]["writes"])
                    if write[2] == each
                ]
            values = (
                self._read(kept[ancestors[-1]]["checkpoint"])["channel_values"] if ancestors else {}
            )
            if each in values:
                history["seed"] = values[each]
        return found

    def _rebuilt(self, kept: KeptCheckpoint) -> Collection[str]:
        known = kept.get("rebuilt")
        if known is None:  # stored before it was noted
            known = rebuilt(self._read(kept["checkpoint"]), self._read(kept["metadata"]))
        return known

    def _write(self, write: Sequence[Any]) -> tuple[str, str, Any]:
        task, _, channel, kind, raw, _ = write
        return task, channel, self._read((kind, raw))

    def _read(self, typed: Sequence[Any]) -> Any:
        return typed[1] if typed[0] == _LIVE else self.serde.loads_typed((typed[0], typed[1]))

    def _written(self, value: Any, *places: tuple[str, Any]) -> Sequence[Any]:
        return (_LIVE, value) if self._live else self._dumped(value, *places)

    def _dumped(self, value: Any, *places: tuple[str, Any]) -> Sequence[Any]:
        """`value` as it is stored; `places` are its parts, by which an error names the one that cannot be."""
        try:
            return self.serde.dumps_typed(value)
        except Exception as error:
            if (told := unwritable(places, self.serde.dumps_typed)) is not None:
                raise told from error
            raise

    def dump(self, thread: Mapping[str, Any]) -> Mapping[str, Any]:
        """A thread of which something was put while it was kept live, as it can be stored."""

        def dumped(typed: Sequence[Any], *places: tuple[str, Any]) -> Sequence[Any]:
            return self._dumped(typed[1], *places) if typed[0] == _LIVE else typed

        def checkpoint(typed: Sequence[Any]) -> Sequence[Any]:
            return dumped(typed, *values_of(typed[1])) if typed[0] == _LIVE else typed

        def settled(kept: KeptCheckpoint) -> KeptCheckpoint:
            return {
                **kept,
                "checkpoint": checkpoint(kept["checkpoint"]),
                "metadata": dumped(kept["metadata"]),
                "writes": [
                    [*each[:3], *dumped(each[3:5], (place_of(each[2], each[4]), each[4])), each[5]]
                    for each in kept["writes"]
                ],
            }

        return {ns: {id: settled(each) for id, each in kept.items()} for ns, kept in thread.items()}

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
        values = self.untracked.kept(ns, checkpoint["channel_values"])
        if values is not checkpoint["channel_values"]:
            checkpoint = {**checkpoint, "channel_values": {**values}}
        new: KeptCheckpoint = {
            "checkpoint": self._written(checkpoint, *values_of(checkpoint)),
            "metadata": self._written(told),
            "run_id": told.get("run_id"),
            "parent": get_checkpoint_id(config),
            "writes": [],
            "rebuilt": rebuilt(checkpoint, told),
        }
        async with self._writing:
            thread = await self._load(thread_id)
            new["writes"] = self._early.pop((thread_id, ns, checkpoint["id"]), [])
            kept = {**thread.get(ns, {}), checkpoint["id"]: new}
            thread[ns] = kept if self._history else self._newest(kept)
            await self._save(thread_id, thread)
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
        id = get_checkpoint_id(config) or ""
        async with self._writing:
            thread = await self._load(thread_id)
            kept = thread.get(ns, {})
            if id in kept:
                self._add(kept[id]["writes"], ns, writes, task_id, task_path)
                await self._save(thread_id, thread)
            elif id > max(kept, default=""):
                early = self._early.setdefault((thread_id, ns, id), [])
                self._add(early, ns, writes, task_id, task_path)
            # Else there is a newer one: the step is over.

    def _add(
        self,
        there: list[list[Any]],
        ns: str,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> None:
        places = {(task, place): at for at, (task, place, *_) in enumerate(there)}
        for number, (channel, value) in enumerate(writes):
            if (ns, channel) in self.untracked:
                continue
            place = WRITES_IDX_MAP.get(channel, number)
            written = self._written(value, (place_of(channel, value), value))
            write = [task_id, place, channel, *written, task_path]
            at = places.get((task_id, place))
            if at is None:
                there.append(write)
            elif place < 0:  # LangGraph's own: an interrupt, its answer, an error
                there[at] = write

    # Forgetting.

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        await self.store.delete(self._key(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs, in whatever thread; but not what those of others are rebuilt from."""
        for thread_id in await self._threads():
            thread = await self._load(thread_id)
            left: _Thread = {}
            for ns, kept in thread.items():
                others = [id for id, each in kept.items() if each["run_id"] not in run_ids]
                if others:
                    left[ns] = with_ancestors(kept, others, self._rebuilt)
            if left != thread:
                await self._save(thread_id, left)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread, with its whole history."""
        await self._save(target_thread_id, await self._load(source_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Forget threads, or all but the newest checkpoint of each namespace and what that is rebuilt from."""
        for thread_id in thread_ids:
            thread = await self._load(thread_id) if strategy == "keep_latest" else {}
            await self._save(
                thread_id, {ns: self._newest(kept) for ns, kept in thread.items() if kept}
            )

    def _newest(self, kept: Mapping[str, KeptCheckpoint]) -> dict[str, KeptCheckpoint]:
        return with_ancestors(kept, [max(kept)], self._rebuilt)


def _place(config: RunnableConfig) -> tuple[str, str]:
    about = config["configurable"]
    return str(about["thread_id"]), about.get("checkpoint_ns", "")


# LangGraph looks it up at the start of each run; a function that has it at hand is asked in a fraction of the time.
StateStoreSaver.aput_writes.__signature__ = signature(StateStoreSaver.aput_writes)  # type: ignore[attr-defined]

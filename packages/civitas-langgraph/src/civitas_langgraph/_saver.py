"""`StateStoreSaver`: LangGraph's checkpoints in a StateStore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, TypedDict, cast

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)

from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
    )

    from civitas.state import StateStore

__all__ = ["StateStoreSaver"]


_LIVE = "live"


class _Kept(TypedDict):
    """One checkpoint, as it is stored; type and bytes are the serializer's."""

    checkpoint: Sequence[Any]
    metadata: Sequence[Any]
    run_id: str | None
    parent: str | None
    writes: list[list[Any]]
    """For each: task id, place among the task's writes, channel, type, bytes, path of the task."""


_Thread = dict[str, dict[str, _Kept]]
"""All that is kept of a thread: for each namespace its checkpoints by id, oldest first. Ids grow with time."""


class StateStoreSaver(BaseCheckpointSaver[Any]):
    """Keeps the checkpoints of LangGraph's threads in a StateStore, each thread under a key of its own.

    Whatever is put is stored when the call returns. One saver at a time writes a thread: an agent sees to that, as it
    handles the messages of a conversation one after the other.

    Args:
        store: Where to keep them.
        prefix: What the keys begin with; the thread's id follows.
        history: Keep every checkpoint of a thread; without, the newest of each namespace, which is what a run goes on
            from.
    """

    def __init__(self, store: StateStore, prefix: str, *, history: bool = True) -> None:
        super().__init__()
        self.store: Any = store
        self._prefix = prefix
        self._history = history
        self.live = False
        """Hand what is put to the store as it is, for one that keeps it in memory; see `dump`."""
        # The tasks of one step write beside each other.
        self._writing = asyncio.Lock()

    # Where a thread is kept.

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
                f"{type(self.store).__name__} has no keys(prefix), which is needed to look through all threads; "
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

    def _tuple(self, thread_id: str, ns: str, id: str, kept: _Kept) -> CheckpointTuple:
        def config(id: str) -> RunnableConfig:
            return {
                "configurable": {"thread_id": thread_id, "checkpoint_ns": ns, "checkpoint_id": id}
            }

        writes = sorted(kept["writes"], key=lambda write: (write[5], write[0], write[1]))
        return CheckpointTuple(
            config(id),
            self._read(kept["checkpoint"]),
            cast("CheckpointMetadata", self._read(kept["metadata"])),
            config(kept["parent"]) if kept["parent"] else None,
            [(task, channel, self._read((kind, raw))) for task, _, channel, kind, raw, _ in writes],
        )

    def _read(self, typed: Sequence[Any]) -> Any:
        return typed[1] if typed[0] == _LIVE else self.serde.loads_typed((typed[0], typed[1]))

    def _written(self, value: Any) -> Sequence[Any]:
        return (_LIVE, value) if self.live else self.serde.dumps_typed(value)

    def dump(self, thread: Mapping[str, Any]) -> Mapping[str, Any]:
        """A thread of which something was put while `live` was True, as it can be stored."""
        dumps = self.serde.dumps_typed

        def dumped(typed: Sequence[Any]) -> Sequence[Any]:
            return dumps(typed[1]) if typed[0] == _LIVE else typed

        def settled(kept: _Kept) -> _Kept:
            return {
                **kept,
                "checkpoint": dumped(kept["checkpoint"]),
                "metadata": dumped(kept["metadata"]),
                "writes": [[*each[:3], *dumped(each[3:5]), each[5]] for each in kept["writes"]],
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
        new: _Kept = {
            "checkpoint": self._written(checkpoint),
            "metadata": self._written(told),
            "run_id": told.get("run_id"),
            "parent": get_checkpoint_id(config),
            "writes": [],
        }
        async with self._writing:
            thread = await self._load(thread_id)
            before = thread.get(ns, {}) if self._history else {}
            thread[ns] = {**before, checkpoint["id"]: new}
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
        """Keep what a task wrote, until the checkpoint that comes of it is there."""
        thread_id, ns = _place(config)
        async with self._writing:
            thread = await self._load(thread_id)
            kept = thread.get(ns, {}).get(get_checkpoint_id(config) or "")
            if kept is None:
                return  # there is a newer one: the step is over
            there = {(task, place): at for at, (task, place, *_) in enumerate(kept["writes"])}
            for number, (channel, value) in enumerate(writes):
                place = WRITES_IDX_MAP.get(channel, number)
                write = [task_id, place, channel, *self._written(value), task_path]
                at = there.get((task_id, place))
                if at is None:
                    kept["writes"].append(write)
                elif place < 0:  # LangGraph's own: an interrupt, its answer, an error
                    kept["writes"][at] = write
            await self._save(thread_id, thread)

    # Forgetting.

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        await self.store.delete(self._key(thread_id))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of these runs, in whatever thread."""
        for thread_id in await self._threads():
            thread = await self._load(thread_id)
            left: _Thread = {}
            for ns, kept in thread.items():
                rest = {id: each for id, each in kept.items() if each["run_id"] not in run_ids}
                if rest:
                    left[ns] = rest
            if left != thread:
                await self._save(thread_id, left)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread, with its whole history."""
        await self._save(target_thread_id, await self._load(source_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Forget threads, or all but the newest checkpoint of each namespace."""
        for thread_id in thread_ids:
            thread = await self._load(thread_id) if strategy == "keep_latest" else {}
            await self._save(
                thread_id, {ns: {max(kept): kept[max(kept)]} for ns, kept in thread.items() if kept}
            )


def _place(config: RunnableConfig) -> tuple[str, str]:
    about = config["configurable"]
    return str(about["thread_id"]), about.get("checkpoint_ns", "")


# LangGraph looks it up at the start of each run; a function that has it at hand is asked in a fraction of the time.
StateStoreSaver.aput_writes.__signature__ = signature(StateStoreSaver.aput_writes)  # type: ignore[attr-defined]

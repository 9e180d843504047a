"""What plain functions, which run in threads, use of savers and stores: a node that calls `invoke` of another graph."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.checkpoint.base import BaseCheckpointSaver

from civitas.errors import ConfigurationError
from civitas.process import current_agent

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
        DeltaChannelHistory,
    )

__all__ = ["BlockingSaver", "wait_for"]

_Result = TypeVar("_Result")


def wait_for(coroutine: Coroutine[Any, Any, _Result], instead: str) -> _Result:
    """What `coroutine` returns, run in the event loop of the agent whose code waits here.

    Args:
        coroutine: What to run.
        instead: What to write where this is not possible.

    Raises:
        ConfigurationError: It would block an event loop, or no agent's code runs here.
    """
    agent = current_agent.get(None)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if agent is not None:
            return agent.run(coroutine)
        problem = "outside an agent there is nothing to wait with"
    else:
        problem = "in a coroutine this would block the event loop that it waits for"
    coroutine.close()
    raise ConfigurationError(f"{problem}; {instead}")


class BlockingSaver(BaseCheckpointSaver[Any]):
    """Does each call by its asynchronous half, from a thread of an agent."""

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`."""
        return _wait_for(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`."""

        async def listed() -> tuple[CheckpointTuple, ...]:
            found = self.alist(config, filter=filter, before=before, limit=limit)
            return tuple([each async for each in found])

        return iter(_wait_for(listed()))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`."""
        return _wait_for(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """As `aput_writes`."""
        _wait_for(self.aput_writes(config, writes, task_id, task_path))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `aget_delta_channel_history`."""
        return _wait_for(self.aget_delta_channel_history(config=config, channels=channels))

    def delete_thread(self, thread_id: str) -> None:
        """As `adelete_thread`."""
        _wait_for(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `adelete_for_runs`."""
        _wait_for(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `acopy_thread`."""
        _wait_for(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`."""
        _wait_for(self.aprune(thread_ids, strategy=strategy))


def _wait_for(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    return wait_for(
        coroutine, "write `await graph.ainvoke(...)`, astream, aget_state and so on there"
    )

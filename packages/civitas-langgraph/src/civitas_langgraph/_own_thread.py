"""`OwnThread`: the thread of a durable run that a checkpointer of the user's own keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas_langgraph._inputs import MESSAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple

    from civitas.state import StateStore

__all__ = ["OwnThread"]


class OwnThread:
    """Notes from which checkpoint a run began, so that the next one can leave it behind where it was given up.

    Nothing of the user's is taken back: a run that begins at an earlier checkpoint is a branch of its thread, as
    LangGraph's time travel makes it. Only a thread that the run given up began itself is deleted.

    Args:
        store: The runtime's, where the note is kept.
        key: Of the note.
        message: Id of the message whose run it is.
    """

    def __init__(self, store: StateStore, key: str, message: str = "") -> None:
        self._store = store
        self._key = key
        self._message = message

    async def begin(self, saver: Any, config: RunnableConfig) -> RunnableConfig:
        """`config` so that the run begins where the last one that ended well stopped, or goes on with its own.

        Args:
            saver: The user's.
            config: That names the thread.
        """
        head = await saver.aget_tuple(config)
        if head is not None and head.metadata.get(MESSAGE) == self._message:
            return config
        before, given_up = await self._before(head)
        if given_up and before is None:
            await saver.adelete_thread(config["configurable"]["thread_id"])
        await self._store.set(self._key, {"message": self._message, "before": before})
        return _at(config, before) if given_up else config

    async def stands(self, saver: Any, config: RunnableConfig) -> RunnableConfig:
        """`config` so that it names where the last run that was not given up stopped."""
        before, given_up = await self._before(await saver.aget_tuple(config))
        return _at(config, before) if given_up else config

    async def keep(self, key: str | None = None) -> None:
        """The run has ended well, or waits for a human: the thread is as it is to be."""
        await self._store.delete(self._key)

    finish = keep

    async def _before(self, head: CheckpointTuple | None) -> tuple[str | None, bool]:
        """The checkpoint to begin from, and whether the newest, `head`, is of a run that was given up."""
        noted = await self._store.get(self._key)
        newest = head.config["configurable"]["checkpoint_id"] if head is not None else None
        if noted is None or noted["message"] == self._message or head is None:
            # An earlier attempt that came to no checkpoint found where to begin.
            before = noted["before"] if noted is not None and head is not None else None
            return before or newest, before not in (None, newest)
        metadata: Mapping[str, Any] = head.metadata
        given_up = noted["message"] == metadata.get(MESSAGE)
        return (noted["before"] if given_up else newest), given_up


def _at(config: RunnableConfig, checkpoint: str | None) -> RunnableConfig:
    if checkpoint is None:
        return config
    return {**config, "configurable": {**config["configurable"], "checkpoint_id": checkpoint}}

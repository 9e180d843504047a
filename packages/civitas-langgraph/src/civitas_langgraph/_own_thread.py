"""Notes of the threads in a checkpointer of the user's own: what a run that was given up is to leave as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.state.in_order import write_in_order
from civitas_langgraph._as_it_was import AsItWas
from civitas_langgraph._inputs import MESSAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple

    from civitas.frameworks import Run
    from civitas.state import StateStore

__all__ = ["OwnThread"]

_ASKED = "asked"
"""In the note of a thread, what is known of the run whose question is open."""
_OPEN = "open"
"""In the note of a thread, the question that a run answers: whose run that is, and how the thread was before it."""


class OwnThread:
    """Notes from which checkpoint a run began, so that the next one can leave it behind if it was abandoned.

    Nothing of the user's is taken back: a run that begins at an earlier checkpoint is a branch of its thread, as
    LangGraph's time travel makes it. Only a thread that the abandoned run itself began is deleted. If that had answered
    a question, its thread is looked at as it was when that was asked.

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
        self._answers = run is not None and run.answers is not None
        self._starts_over = run is not None and run.starts_over
        self._forgets = run is not None and run.forgets
        self._beside = beside or {}

    async def begin(self, graph: Any, config: RunnableConfig) -> RunnableConfig:
        """`config` so that the run begins where the last one that ended well stopped, or goes on with its own.

        Args:
            graph: The graph, with the user's checkpointer.
            config: That names the thread.
        """
        saver, was = graph.checkpointer, AsItWas.of(graph.checkpointer)
        was.clear()
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
        if self._shows(was, config, noted) and self._answers:
            await self._note(before, noted)
            return config
        if given_up:
            return await self._back_at(before, saver, config, noted)
        if self._answers and _OPEN not in noted:
            spaces = await AsItWas.noted(graph, config)
            noted = {**noted, _OPEN: {"by": self._message, "spaces": spaces}}
        await self._note(before, noted)
        return config

    def _shows(self, was: AsItWas, config: RunnableConfig, noted: Mapping[str, Any]) -> bool:
        """Whether the question is open that a run answered which was given up; then the thread is shown so."""
        found = noted.get(_OPEN)
        if found is None or found["by"] == self._message or not found["spaces"]:
            return False
        was.show(config["configurable"]["thread_id"], found["spaces"])
        return True

    async def _back_at(
        self, before: str | None, saver: Any, config: RunnableConfig, noted: Mapping[str, Any]
    ) -> RunnableConfig:
        if before is None:
            await saver.adelete_thread(config["configurable"]["thread_id"])
        await self._note(before, noted)
        return _at(config, before)

    async def _note(self, before: str | None, noted: Mapping[str, Any]) -> None:
        note: dict[str, Any] = {"message": self._message, "before": before}
        for each in (_ASKED, _OPEN):  # until it is answered, or left behind by a run that ends well
            if each in noted:
                note[each] = noted[each]
        await write_in_order(self._store, {}, {**self._beside, self._key: note}, (), expect={})
        self._beside = {}

    async def stands(self, graph: Any, config: RunnableConfig) -> RunnableConfig:
        """`config` so that it names where the last run that was not abandoned stopped."""
        was = AsItWas.of(graph.checkpointer)
        was.clear()
        noted = await self._store.get(self._key) or {}
        if self._shows(was, config, noted):
            return config
        before, given_up = self._before(noted, await graph.checkpointer.aget_tuple(config))
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
        if (self._answers or self._starts_over) and _ASKED in noted:
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

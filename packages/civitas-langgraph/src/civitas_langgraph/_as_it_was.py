"""A thread as it was when a question was asked, after a run that answered it and was given up."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import WRITES_IDX_MAP

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
    from langgraph.types import StateSnapshot

__all__ = ["AsItWas"]

_NAME = "civitas_as_it_was"


class AsItWas:
    """Shows a thread in a user's checkpointer as it was: the checkpoints that were the newest, with their writes.

    A checkpointer takes nothing back: what a node returned for the answer stays beside the checkpoint of the question,
    and so that is over for LangGraph. What came after the question is not shown, until the next run writes further.

    Args:
        saver: The checkpointer.
    """

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self._saver = saver
        self._thread = ""
        self._spaces: Mapping[str, Mapping[str, Any]] = {}
        self._passed: set[str] = set()

    @classmethod
    def of(cls, saver: Any) -> Self:
        """That of a checkpointer which `lend` was given."""
        found: Self = getattr(saver, _NAME)
        return found

    @classmethod
    def lend(cls, saver: BaseCheckpointSaver[Any]) -> None:
        """From now on, `saver` can show threads as they were."""
        made = cls(saver)
        setattr(saver, _NAME, made)
        for name in ("get_tuple", "put"):
            setattr(saver, name, getattr(made, f"_{name}")(getattr(saver, name)))
            setattr(saver, f"a{name}", getattr(made, f"_a{name}")(getattr(saver, f"a{name}")))

    @staticmethod
    async def noted(graph: Any, config: RunnableConfig) -> dict[str, Any]:
        """How a thread is now, as plain data for `show`, in subgraphs with open questions, too.

        Nothing of one with delta channels: these are made of all writes that are there.
        """
        graphs = [graph, *(each for _, each in graph.get_subgraphs(recurse=True))]
        channels = (channel for each in graphs for channel in each.channels.values())
        if any(isinstance(each, DeltaChannel) for each in channels):
            return {}
        saver, spaces = graph.checkpointer, {}
        for each in _configs(await graph.aget_state(config, subgraphs=True)):
            found = await saver.aget_tuple(each)
            at = found.config["configurable"]
            writes = found.pending_writes or ()
            spaces[at.get("checkpoint_ns", "")] = {
                "id": at["checkpoint_id"],
                "kept": [[task, name] for task, name, _ in writes if name not in WRITES_IDX_MAP],
                # Of these there is one for each task, which the next takes the place of.
                "last": [
                    [task, name, *saver.serde.dumps_typed(value)]
                    for task, name, value in writes
                    if name in WRITES_IDX_MAP
                ],
            }
        return spaces

    def show(self, thread: str, spaces: Mapping[str, Mapping[str, Any]]) -> None:
        """Show a thread so.

        Args:
            thread: Its id.
            spaces: What was noted.
        """
        self._thread, self._spaces, self._passed = thread, spaces, set()

    def clear(self) -> None:
        """Show everything as it is."""
        self.show("", {})

    def _space(self, config: RunnableConfig) -> Mapping[str, Any] | None:
        """What is shown for `config` in place of what is there."""
        at = config["configurable"]
        ns = at.get("checkpoint_ns", "")
        if at["thread_id"] != self._thread or ns not in self._spaces:
            return None
        space, asked = self._spaces[ns], at.get("checkpoint_id")
        shows = asked == space["id"] if asked else ns not in self._passed
        return space if shows else None

    def _shown(
        self, found: CheckpointTuple | None, space: Mapping[str, Any]
    ) -> CheckpointTuple | None:
        if found is None:
            return None
        kept = {tuple(each) for each in space["kept"]}
        loads = self._saver.serde.loads_typed
        last = [(task, name, loads((kind, raw))) for task, name, kind, raw in space["last"]]
        there = [each for each in found.pending_writes or () if each[:2] in kept]
        return found._replace(pending_writes=[*there, *last])

    def _get_tuple(self, get: Any) -> Any:
        @functools.wraps(get)
        def get_shown(config: RunnableConfig) -> Any:
            space = self._space(config)
            return get(config) if space is None else self._shown(get(_at(config, space)), space)

        return get_shown

    def _aget_tuple(self, get: Any) -> Any:
        @functools.wraps(get)
        async def get_shown(config: RunnableConfig) -> Any:
            space = self._space(config)
            if space is None:
                return await get(config)
            return self._shown(await get(_at(config, space)), space)

        return get_shown

    def _put(self, put: Any) -> Any:
        @functools.wraps(put)
        def put_on(config: RunnableConfig, *args: Any, **more: Any) -> Any:
            self._passes(config)
            return put(config, *args, **more)

        return put_on

    def _aput(self, put: Any) -> Any:
        @functools.wraps(put)
        async def put_on(config: RunnableConfig, *args: Any, **more: Any) -> Any:
            done = await put(config, *args, **more)
            self._passes(config)
            return done

        return put_on

    def _passes(self, config: RunnableConfig) -> None:
        """There is a newer checkpoint than the one that is shown."""
        if config["configurable"]["thread_id"] == self._thread:
            self._passed.add(config["configurable"].get("checkpoint_ns", ""))


def _at(config: RunnableConfig, space: Mapping[str, Any]) -> RunnableConfig:
    return {**config, "configurable": {**config["configurable"], "checkpoint_id": space["id"]}}


def _configs(snapshot: StateSnapshot) -> Iterator[RunnableConfig]:
    """Those of a thread, and of its subgraphs that stopped."""
    yield snapshot.config
    for task in snapshot.tasks:
        below: Any = task.state
        if task.result is None and getattr(below, "next", None):
            yield from _configs(below)

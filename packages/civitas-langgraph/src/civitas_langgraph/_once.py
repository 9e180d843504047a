"""Of a durable run, what is finished is kept before more of it begins, so that it is done once."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.pregel import _loop

from civitas.frameworks import current_run
from civitas.state.in_order import write_in_order

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from civitas.state import StateStore

__all__ = ["InTurn", "let_graphs_without_checkpoints_be_sync"]


class InTurn(AsyncCallbackHandler):
    """Keeps nodes and tasks from beginning while a checkpointer still writes what others did.

    LangGraph waits for a checkpoint, at the end of a step; but it keeps what one task of the step wrote in the
    background. In a functional workflow, which is one step, a process killed in its second task may lose the first.
    """

    ignore_llm = True
    ignore_chat_model = True
    ignore_retriever = True
    ignore_agent = True
    ignore_custom_event = True

    def __init__(self) -> None:
        self._writing: set[asyncio.Future[None]] = set()
        self.kept: Callable[[str], None] | None = None
        """Told the id of each task whose writes are kept."""

    def watch(self, saver: BaseCheckpointSaver[Any]) -> None:
        """From now on, what `saver` writes is waited for."""
        setattr(saver, "aput_writes", self._watched(saver.aput_writes))  # noqa: B010

    def writes_first(
        self,
        saver: BaseCheckpointSaver[Any],
        store: StateStore,
        what: Callable[[], Mapping[str, dict[str, Any]]],
    ) -> None:
        """From now on, `what` is in `store`, by its keys, before `saver` writes anything of a run."""
        home, writing = asyncio.get_running_loop(), asyncio.Lock()

        def after(put: Any) -> Any:
            @functools.wraps(put)
            async def put_after(*args: Any, **more: Any) -> Any:
                # What a node writes from an event loop of its own counts when the node is done.
                if current_run.get() is not None and asyncio.get_running_loop() is home:
                    async with writing:
                        if first := what():
                            await write_in_order(store, {}, first, (), expect={})
                return await put(*args, **more)

            return put_after

        for name in ("aput", "aput_writes"):
            setattr(saver, name, after(getattr(saver, name)))

    def _watched(self, put: Any) -> Any:
        @functools.wraps(put)
        async def put_watched(
            config: Any, writes: Sequence[tuple[str, Any]], *args: Any, **more: Any
        ) -> Any:
            kept = asyncio.get_running_loop().create_future()
            self._writing.add(kept)
            try:
                done = await put(config, writes, *args, **more)
                if self.kept is not None:
                    self.kept(more["task_id"] if "task_id" in more else args[0])
                return done
            finally:
                self._writing.discard(kept)
                kept.set_result(None)

        return put_watched

    async def on_chain_start(self, *args: Any, **keywords: Any) -> None:
        """Something of the graph begins."""
        await self.settled()

    async def settled(self) -> None:
        """Wait until what others did is kept."""
        # A node may have an event loop of its own, in its thread, for what it calls.
        here = asyncio.get_running_loop()
        if writing := [each for each in self._writing if each.get_loop() is here]:
            await asyncio.wait(writing)


_LAST_PUT = "_put_checkpoint_fut"


class _Made:
    """A checkpoint that is there."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield

    def result(self) -> None:
        pass


def let_graphs_without_checkpoints_be_sync() -> None:
    """Let a graph that was compiled with `checkpointer=False` run inside one that is durable.

    It takes over the durability of the graph above, and with ``"sync"`` LangGraph waits, after each step, for a
    checkpoint of it that nobody makes: an AttributeError. From now on it finds one that is made.
    """
    for name in ("SyncPregelLoop", "AsyncPregelLoop"):
        loop = getattr(_loop, name, None)
        if loop is not None and not hasattr(loop, _LAST_PUT):
            setattr(loop, _LAST_PUT, _Made())

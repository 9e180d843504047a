"""Whether the checkpointer that a graph was compiled with can do what its agent promises: told at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel import Pregel

from civitas.errors import ConfigurationError
from civitas.frameworks import comes_from
from civitas.state import InMemoryStateStore
from civitas_langgraph._breakpoints import has_breakpoints
from civitas_langgraph._saver import StateStoreSaver

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["check_checkpoint", "check_checkpointer"]

_INSTEAD = (
    "compile the graph without a checkpointer: the runtime's StateStore keeps its threads then"
)


async def check_checkpointer(graph: Any, who: str, *, durable: bool, lost_at: str | None) -> None:
    """Refuse a checkpointer that would fail or forget at the first message that needs it.

    Args:
        graph: The compiled graph.
        who: The agent, for errors.
        durable: Whether its runs are to go on after a crash.
        lost_at: When what only this process holds is lost, in words; None if only with the root.

    Raises:
        ConfigurationError: It has no asynchronous methods, or a durable run would find nothing in it.
    """
    if not isinstance(graph, Pregel):
        return
    saver: Any = graph.checkpointer
    kind = type(saver).__name__
    if saver is False and (durable or has_breakpoints(graph)):
        what = "durable=True" if durable else "a breakpoint"
        raise ConfigurationError(
            f"{who}: {what} needs a graph with checkpoints, and this one was compiled with checkpointer=False; "
            "leave that out"
        )
    if not isinstance(saver, BaseCheckpointSaver):
        return
    for method in ("aget_tuple", "aput", "aput_writes"):
        if not _has(saver, method):
            raise ConfigurationError(
                f"{who}: the graph was compiled with {kind}, which has no asynchronous methods, and a graph runs in an "
                f"event loop here; take its asynchronous twin, such as AsyncSqliteSaver for SqliteSaver, or {_INSTEAD}"
            )
    if durable and lost_at is not None and await _forgets(saver):
        raise ConfigurationError(
            f"{who}: durable=True needs a checkpointer that outlives what the run is to survive, and what this "
            f"{kind} has is in memory: lost {lost_at}. Take one that keeps it on disk, or {_INSTEAD}"
        )


async def check_checkpoint(graph: Any, config: RunnableConfig, where: str) -> None:
    """Refuse to begin at a checkpoint that is not there: LangGraph would begin with nothing.

    Args:
        graph: The graph.
        config: Of the run.
        where: The conversation, for the error.

    Raises:
        ConfigurationError: It is not.
    """
    id = config.get("configurable", {}).get("checkpoint_id")
    saver: Any = getattr(graph, "checkpointer", None)
    if id and isinstance(saver, BaseCheckpointSaver) and await saver.aget_tuple(config) is None:
        raise ConfigurationError(
            f"the conversation {where} has no checkpoint {id!r}. An agent keeps as many as history= says, by default "
            "the newest; see aget_state_history for those that are there"
        )


def _has(saver: BaseCheckpointSaver[Any], name: str) -> bool:
    method = getattr(type(saver), name)
    if method is getattr(BaseCheckpointSaver, name):
        return False
    # Some have the method only to say that they have it not.
    code = getattr(method, "__code__", None)
    return code is None or code.co_names[:1] != ("NotImplementedError",)


async def _forgets(saver: BaseCheckpointSaver[Any]) -> bool:
    """Whether all that it keeps is in the memory of its process."""
    if isinstance(saver, InMemorySaver):
        return True
    if isinstance(saver, StateStoreSaver):
        return isinstance(saver.store, InMemoryStateStore)
    if comes_from(saver, "langgraph.checkpoint.sqlite"):
        own: Any = saver
        await own.setup()
        async with own.conn.execute("PRAGMA database_list") as files:
            return all([not each[2] async for each in files])
    return False

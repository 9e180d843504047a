"""Nodes, tools and tasks of a graph that had begun, and of whose results nothing is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable
from langgraph._internal._constants import PREVIOUS
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel

from civitas.errors import ConfigurationError
from civitas.frameworks import current_run
from civitas.process.ambiguous import CallNote, NobodyKnows
from civitas_langgraph._noted_calls import NotedCalls, NotedTasks, NotedTools, told_of_call
from civitas_langgraph._replaced import copy_of

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import StateSnapshot

    from civitas.frameworks.call_notes import CallNotes
    from civitas.process import AmbiguousCall
    from civitas_langgraph._once import InTurn

__all__ = ["NotedNodes", "recorded_result"]

_NODE = "node "


class NotedNodes:
    """Notes that the nodes of an agent's graph begin, and gives those that happened the results that were told.

    LangGraph keeps what a node returned. Of a tool node and a workflow it is calls and tasks that are noted, each by
    itself, and what they return is recorded here.

    Args:
        calls: The notes of the agent's calls.
        in_turn: Knows when a node's result is kept.
    """

    def __init__(self, calls: CallNotes, in_turn: InTurn) -> None:
        self.calls = calls
        self.in_turn = in_turn

    def watched(self, graph: Any, where: str) -> Any:
        """The graph with nodes, tools and tasks that are noted, if the agent notes any; those of its subgraphs, too.

        Args:
            graph: The graph.
            where: Whose it is, for an error.

        Raises:
            ConfigurationError: It has nothing that could be asked about.
        """
        if not self.calls.wanted:
            return graph
        if not isinstance(graph, Pregel) or not isinstance(graph.checkpointer, BaseCheckpointSaver):
            raise ConfigurationError(
                f"{where}: on_ambiguous='interrupt' and probes need a graph whose checkpoints are kept here, and this "
                "one has none, or runs elsewhere. Leave them out"
            )
        self.in_turn.kept = self._kept
        return self._copy(graph, NotedCalls(self.calls, graph.checkpointer.serde))

    def _copy(self, graph: Any, calls: NotedCalls) -> Any:
        from langgraph.prebuilt import ToolNode  # a quarter of LangGraph, and many graphs have none

        is_workflow = PREVIOUS in graph.channels
        nodes = {}
        for name, node in graph.nodes.items():
            around: NotedTasks | NotedTools | _Noted
            inner = node.bound
            if name.startswith("__") or node.is_error_handler:
                nodes[name] = node
                continue
            if isinstance(inner, Pregel) and not is_workflow:
                below = self._copy(inner, calls)
                nodes[name] = node.copy({"bound": below, "subgraphs": [below]})
                continue
            if is_workflow:
                around = NotedTasks(calls, inner)
            elif isinstance(inner, ToolNode):
                around = NotedTools(calls, inner)
            else:
                around = _Noted(self, name, inner)
            nodes[name] = node.copy({"bound": _NotedRunnable(name, inner, around.run)})
        return copy_of(graph, nodes=nodes)

    def _kept(self, task_id: str) -> None:
        """What a task wrote is kept."""
        if current_run.get() is None:
            return
        for key in self._begun():
            if key.endswith(f":{task_id}"):
                self.calls.ended(key)

    async def check(self, graph: Any, config: RunnableConfig) -> None:
        """Go on only if it is known what became of each node that had begun.

        Raises:
            NobodyKnows: Of one it is not.
        """
        if not self.calls.wanted:
            return
        begun = self._begun()
        if not begun:
            return
        snapshot = await graph.aget_state(config, subgraphs=True)
        left = set(_left(snapshot))
        for key in begun:
            if snapshot.created_at is not None and key.rpartition(":")[2] not in left:
                self.calls.ended(key)  # it was kept, and only that was not noted
        if self._begun():
            raise NobodyKnows

    def _begun(self) -> list[str]:
        """The nodes that are noted as begun."""
        return [key for key in self.calls.begun() if key.startswith(_NODE)]


class _Noted:
    """A node that is noted before it begins.

    Args:
        nodes: Of the agent.
        name: Its name.
        inner: What it runs.
    """

    def __init__(self, nodes: NotedNodes, name: str, inner: Any) -> None:
        self._nodes = nodes
        self._name = name
        self._inner = inner

    async def run(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, noted."""
        run, calls = current_run.get(), self._nodes.calls
        task = ((config or {}).get("metadata") or {}).get("langgraph_checkpoint_ns")
        note = CallNote("node", self._name, idempotency_key=str(task))
        if run is None or not run.durable or task is None or not calls.notes(note):
            return await self._inner.ainvoke(input, config, **more)
        key = f"{_NODE}{task}"
        told = await calls.told(key)
        if told is not None:
            return told["result"]
        await self._nodes.in_turn.settled()
        await calls.begins(key, note)
        try:
            # Its end is noted when LangGraph has kept what it returned.
            return await self._inner.ainvoke(input, config, **more)
        except Exception:
            calls.raised(key, note.name)
            raise


def recorded_result(call: AmbiguousCall, result: Any) -> Any:
    """What is recorded of a node, a tool or a task of which a probe or a human told the result.

    Raises:
        ValueError: It cannot be what a node returned.
    """
    if call.kind == "node" and not isinstance(result, Mapping | None):
        raise ValueError(
            "the result of a node must be what it changes in the state, a dict, or None for nothing"
        )
    return result if call.kind == "node" else told_of_call(result)


def _left(snapshot: StateSnapshot) -> Iterator[str]:
    """The ids of the tasks of a thread whose results are not kept, in its subgraphs too."""
    for task in snapshot.tasks:
        if task.result is None:
            yield task.id
        if isinstance(task.state, tuple):
            yield from _left(task.state)


class _NotedRunnable(Runnable[Any, Any]):
    """What a node runs, with something around it where that can be waited for.

    Args:
        name: Of the node.
        inner: What it runs.
        around: Runs that, with the arguments of `ainvoke`.
    """

    def __init__(self, name: str, inner: Any, around: Callable[..., Awaitable[Any]]) -> None:
        self.name = name
        self._inner = inner
        self._around = around

    def invoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, where nothing can be waited for."""
        return self._inner.invoke(input, config, **more)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, and what is around it."""
        return await self._around(input, config, **more)

"""Nodes that had begun, and of whose results nothing is known: by nodes LangGraph goes on, so they are asked about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.runnables import Runnable
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from civitas.errors import ConfigurationError
from civitas.frameworks import current_run
from civitas.process.ambiguous import CallNote, NobodyKnows
from civitas_langgraph._replaced import copy_of

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import StateSnapshot

    from civitas.frameworks.call_notes import CallNotes
    from civitas.process import AmbiguousCall
    from civitas_langgraph._once import InTurn

__all__ = ["NotedNodes", "result_of_node"]

_NODE = "node "
_MESSAGES = "messages"


class NotedNodes:
    """Notes that the nodes of an agent's graph begin, and gives those that happened the results that were told.

    Args:
        calls: The notes of the agent's calls.
        in_turn: Knows when a node's result is kept.
    """

    def __init__(self, calls: CallNotes, in_turn: InTurn) -> None:
        self.calls = calls
        self.in_turn = in_turn

    def watched(self, graph: Any, where: str) -> Any:
        """The graph with nodes that are noted, if the agent notes any; those of its subgraphs, too.

        Args:
            graph: The graph.
            where: Whose it is, for an error.

        Raises:
            ConfigurationError: It has no nodes that could be asked about.
        """
        if not self.calls.wanted:
            return graph
        if not isinstance(graph, CompiledStateGraph) or not graph.checkpointer:
            raise ConfigurationError(
                f"{where}: on_ambiguous='interrupt' and probes are for the nodes of a StateGraph, and this is none; "
                "a functional workflow and a graph elsewhere are made again as they are. Leave them out, or make it a "
                "StateGraph"
            )
        self.in_turn.kept = self._kept
        return self._copy(graph)

    def _copy(self, graph: Any) -> Any:
        nodes = {}
        for name, node in graph.nodes.items():
            if name.startswith("__") or node.is_error_handler:
                nodes[name] = node
            elif isinstance(node.bound, Pregel):
                inner = self._copy(node.bound)
                nodes[name] = node.copy({"bound": inner, "subgraphs": [inner]})
            else:
                nodes[name] = node.copy({"bound": _Noted(self, name, node.bound)})
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


class _Noted(Runnable[Any, Any]):
    """A node that is noted before it begins.

    Args:
        nodes: Of the agent.
        name: Its name.
        inner: What it runs.
    """

    def __init__(self, nodes: NotedNodes, name: str, inner: Any) -> None:
        self._nodes = nodes
        self._inner = inner
        self.name = name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, where nothing can be waited for."""
        return self._inner.invoke(input, config, **more)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, noted."""
        run, calls = current_run.get(), self._nodes.calls
        task = ((config or {}).get("metadata") or {}).get("langgraph_checkpoint_ns")
        note = _note(str(self.name), self._inner, input, str(task))
        if run is None or not run.durable or task is None or not calls.notes(note):
            return await self._inner.ainvoke(input, config, **more)
        key = f"{_NODE}{task}"
        told = await calls.told(key)
        if told is not None:
            return _as_returned(told["result"], note, input)
        await self._nodes.in_turn.settled()
        await calls.begins(key, note)
        try:
            # Its end is noted when LangGraph has kept what it returned.
            return await self._inner.ainvoke(input, config, **more)
        except Exception:
            calls.raised(key, note.name)
            raise


def _note(name: str, inner: Any, input: Any, task: str) -> CallNote:
    calls = _tool_calls(inner, input)
    if len(calls) == 1:
        (call,) = calls
        return CallNote("tool", call["name"], call["args"], idempotency_key=task)
    told = [{"name": each["name"], "arguments": each["args"]} for each in calls]
    return CallNote("node", name, told or None, idempotency_key=task)


def _tool_calls(inner: Any, input: Any) -> Sequence[Mapping[str, Any]]:
    """The calls that a node of tools is about to make; none for another node."""
    return _tool_calls_in(input) if isinstance(inner, ToolNode) else ()


def _tool_calls_in(input: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(input, Mapping) and "tool_call" in input:
        return [input["tool_call"]]
    messages = input if isinstance(input, list) else _messages_of(input)[1]
    last: Any = messages[-1] if messages else None
    if isinstance(last, Mapping) and last.get("type") == "tool_call":
        return [each for each in messages if isinstance(each, Mapping)]
    return getattr(last, "tool_calls", ())


def _messages_of(state: Any) -> tuple[str, Sequence[Any]]:
    """The messages in a state, and the name that they have there."""
    values = state if isinstance(state, Mapping) else vars(state)
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[-1], BaseMessage):
            return name, value
    return _MESSAGES, ()


def _as_returned(result: Any, note: CallNote, input: Any) -> Any:
    """What a node is to have returned of which somebody told the result."""
    if note.kind != "tool":
        return result
    text = (
        result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    )
    state = input.get("state", input) if isinstance(input, Mapping) else input
    (call,) = _tool_calls_in(input)
    message = ToolMessage(text, tool_call_id=call["id"], name=note.name)
    return [message] if isinstance(input, list) else {_messages_of(state)[0]: [message]}


def result_of_node(call: AmbiguousCall, result: Any) -> Any:
    """What is recorded of a node of which a probe or a human told the result.

    Raises:
        ValueError: It cannot be what a node returned.
    """
    if call.kind == "node" and not isinstance(result, Mapping | None):
        raise ValueError(
            "the result of a node must be what it changes in the state, a dict, or None for nothing"
        )
    return result


def _left(snapshot: StateSnapshot) -> Iterator[str]:
    """The ids of the tasks of a thread whose results are not kept, in its subgraphs too."""
    for task in snapshot.tasks:
        if task.result is None:
            yield task.id
        if isinstance(task.state, tuple):
            yield from _left(task.state)

"""What a run of a graph relies on, by name: nodes, edges, channels, breakpoints, and the tools of its tool nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from langgraph.graph import END, START
from langgraph.pregel import Pregel

from civitas.frameworks import Part, fingerprint, name_of

__all__ = ["shape_of"]

_ENDS = {START: "START", END: "END"}
_OWN = ("branch:", "join:", "__")
"""What the names of channels begin with that LangGraph makes itself."""


def shape_of(graph: Any, of: str = "") -> Iterator[Part]:
    """What a run of `graph` relies on, in its subgraphs too.

    Args:
        graph: The graph; of one that runs elsewhere nothing is known.
        of: The nodes that lead to it, for a subgraph.
    """
    if not isinstance(graph, Pregel):
        return
    builder = getattr(graph, "builder", None)
    for name, node in graph.nodes.items():
        if name.startswith("__"):
            continue
        part = Part("node", name, of)
        yield part
        runs = builder.nodes[name].runnable if builder is not None else node.bound
        yield from _tools(runs, part.path)
    if builder is not None:
        yield from _edges(builder, of)
    channels = builder.channels if builder is not None else graph.channels
    for name, channel in channels.items():
        if not name.startswith(_OWN):
            yield Part("channel", name, of, _kind(channel))
    for when, nodes in (
        ("before", graph.interrupt_before_nodes),
        ("after", graph.interrupt_after_nodes),
    ):
        for name in ["every node"] if nodes == "*" else nodes:
            yield Part("breakpoint", f"{when} {name}", of)
    for name, inner in graph.get_subgraphs():
        yield from shape_of(inner, f"{of}/{name}" if of else name)


def _edges(builder: Any, of: str) -> Iterator[Part]:
    for start, end in sorted(builder.edges):
        yield Part("edge", _arrow(start, end), of)
    for starts, end in sorted(builder.waiting_edges):
        yield Part("edge", _arrow(" and ".join(map(_shown, starts)), end), of)
    for start, branches in builder.branches.items():
        for branch in branches.values():
            # Without names of where it may lead, it may lead anywhere.
            ends = dict.fromkeys((branch.ends or {"": "any node"}).values())
            for end in ends:
                yield Part("conditional edge", _arrow(start, end), of)
    for name, node in builder.nodes.items():
        for end in node.ends or ():
            yield Part("command", _arrow(name, end), of)


def _arrow(start: str, end: str) -> str:
    return f"{_shown(start)} -> {_shown(end)}"


def _shown(node: str) -> str:
    return _ENDS.get(node, node)


def _kind(channel: Any) -> str:
    """The kind of a channel, and what it joins values with, if anything."""
    joins = getattr(channel, "operator", None) or getattr(channel, "reducer", None)
    kind = type(channel).__name__
    # By its last name: where it is defined may change with a version of a library.
    return f"{kind}({name_of(joins).rpartition('.')[2]})" if joins is not None else kind


def _tools(runs: Any, of: str) -> Iterator[Part]:
    """The tools of a node that calls tools."""
    tools = getattr(runs, "tools_by_name", None)
    for name, tool in tools.items() if isinstance(tools, Mapping) else ():
        try:
            takes = fingerprint(tool.args)
        except Exception:  # a schema that cannot be written down; its name is known all the same
            takes = ""
        yield Part("tool", name, of, takes)

"""One run of a graph, from its input to its end or to where it stops."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.errors import GraphDrained
from langgraph.pregel import Pregel

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import Interrupt

    from civitas.frameworks import Run

__all__ = ["End", "run_graph"]

_INTERRUPT = "__interrupt__"


@dataclass
class End:
    """How a run of a graph ended.

    Attributes:
        output: The output state.
        stopped: Nodes are left to do: the run waits at interrupts or at a breakpoint, or it was drained.
        interrupts: Those that were raised.
        drained: What LangGraph raised where the run was drained.
    """

    output: Any = None
    stopped: bool = False
    interrupts: Sequence[Interrupt[Any]] = ()
    drained: GraphDrained | None = None


async def run_graph(graph: Any, input: Any, config: RunnableConfig, run: Run, **more: Any) -> End:
    """Run a graph.

    Args:
        graph: The graph.
        input: A state, a command, or None to go on.
        config: Of this run.
        run: What this is a run for; whoever reads it is told what the nodes write to the stream themselves.
        **more: LangGraph's own.
    """
    if not isinstance(graph, Pregel):
        output = await graph.ainvoke(input, config, **more)
        open_ = output.get(_INTERRUPT) if isinstance(output, dict) else None
        return End(output, bool(open_), open_ or ())
    end = End()
    # As LangGraph's own `ainvoke` does it, which does not tell of breakpoints.
    kinds: Any = ["updates", "values", *(["custom"] if run.streams else [])]
    parts: Any = graph.astream(
        input, config, stream_mode=kinds, output_keys=graph.output_channels, **more
    )
    try:
        async with aclosing(parts):
            async for kind, part in parts:
                if kind == "custom":
                    await run.custom(part)
                elif kind == "values":
                    end.output = part
                elif isinstance(part, dict) and _INTERRUPT in part:
                    end.stopped = True
                    end.interrupts = [*end.interrupts, *part[_INTERRUPT]]
    except GraphDrained as drained:
        end.stopped, end.drained = True, drained
    return end

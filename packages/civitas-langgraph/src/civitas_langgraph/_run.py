"""One run of a graph, from its input to its end or to where it stops."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables.config import merge_configs
from langgraph.errors import GraphDrained
from langgraph.pregel import Pregel
from langgraph.types import Command

from civitas_langgraph._cached import CachedSteps, has_cache

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
    """Run a graph, and tell whoever reads it what it does.

    Args:
        graph: The graph.
        input: A state, a command, or None to go on.
        config: Of this run.
        run: What this is a run for.
        **more: LangGraph's own.
    """
    if not run.streams:
        return await _run(graph, input, config, run, more)
    from civitas_langgraph._stream import GraphEvents, Written

    written = Written(run)
    events = GraphEvents(run, written)
    mine: RunnableConfig = {"callbacks": [events]}
    if isinstance(graph, Pregel):
        goes_on = input is None or isinstance(input, Command)
        cached = CachedSteps(events.cached_step, goes_on=goes_on)
        modes: Any = ("tasks", "updates") if has_cache(graph) else ()
        mine["configurable"] = written.configurable(cached.see, modes, graph.store)
    config = merge_configs(config, mine)
    async with written.told():
        return await _run(graph, input, config, run, more)


async def _run(
    graph: Any, input: Any, config: RunnableConfig, run: Run, more: dict[str, Any]
) -> End:
    if not isinstance(graph, Pregel):
        output = await graph.ainvoke(input, config, **more)
        open_ = output.get(_INTERRUPT) if isinstance(output, dict) else None
        return End(output, bool(open_), open_ or ())
    end = End()
    # As LangGraph's own `ainvoke` does it, which does not report breakpoints.
    parts: Any = graph.astream(
        input,
        config,
        stream_mode=["updates", "values", *(["custom"] if run.watched else ())],
        output_keys=graph.output_channels,
        **more,
    )
    try:
        async with aclosing(parts):
            async for mode, part in parts:
                if mode == "custom":
                    run.progress.moves("its code wrote to the stream")
                elif mode == "values":
                    end.output = part
                elif isinstance(part, dict) and _INTERRUPT in part:
                    end.stopped = True
                    end.interrupts = [*end.interrupts, *part[_INTERRUPT]]
    except GraphDrained as drained:
        end.stopped, end.drained = True, drained
    return end

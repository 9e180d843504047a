"""What the spans of a graph's run cost, beside those of OpenTelemetry's instrumentation for LangChain."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from benchmarks.adapters import timed
from benchmarks.harness import Benchmark, at_most, in_loop
from benchmarks.tracing import install
from civitas import Runtime, Supervisor, wrap

__all__ = ["GRAPH"]

_BATCHES, _RUNS = 30, 5
_INPUT = {"messages": [{"role": "user", "content": "how many?"}]}

Call = Callable[[], Awaitable[Any]]


@tool
def _count(what: str) -> str:
    """Count."""
    return "42"


_ANSWERS = itertools.cycle(
    [
        AIMessage("", tool_calls=[{"name": "_count", "args": {"what": "all"}, "id": "c"}]),
        AIMessage("forty-two"),
    ]
)
_MODEL = GenericFakeChatModel(messages=_ANSWERS)


async def _think(state: MessagesState) -> Any:
    return {"messages": [await _MODEL.ainvoke(state["messages"])]}


def _graph() -> Any:
    """Two calls of a model that answers at once, and one of a tool between them."""
    builder = StateGraph(MessagesState)
    builder.add_node("think", _think)
    builder.add_node("tools", ToolNode([_count]))
    builder.add_node("answer", _think)
    for each in itertools.pairwise([START, "think", "tools", "answer", END]):
        builder.add_edge(*each)
    return builder.compile()


_GRAPH = _graph()


async def _more(run: Call, on: Callable[[], None], off: Callable[[], None]) -> float:
    """Microseconds that a run takes longer with spans than without."""
    differences = []
    for _ in range(_BATCHES):
        off()
        without = await timed(run, _RUNS)
        on()
        differences.append(await timed(run, _RUNS) - without)
    off()
    return median(differences)


async def _instrumented() -> float:
    # With it, Civitas looks for the calls of models that it has told: the other benchmarks are to be without.
    from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

    install(ALWAYS_ON)
    instrumentation = LangChainInstrumentor()  # type: ignore[no-untyped-call]

    async def run() -> None:
        await _GRAPH.ainvoke(_INPUT)

    try:
        return await _more(run, instrumentation.instrument, instrumentation.uninstrument)
    finally:
        trace._TRACER_PROVIDER = None


async def _supervised() -> float:
    async with Runtime(Supervisor("root", [wrap(_GRAPH, name="a")])) as runtime:
        tracing = runtime._node.tracing

        async def run() -> None:
            await runtime.ask("a", _INPUT)

        def on() -> None:
            install(ALWAYS_ON)
            tracing.look()

        def off() -> None:
            trace._TRACER_PROVIDER = None
            tracing.look()

        return await _more(run, on, off)


GRAPH = Benchmark(
    "spans of a LangGraph run with a tool",
    "µs",
    {"limit": in_loop(_instrumented), "civitas": in_loop(_supervised)},
    at_most(1),
)

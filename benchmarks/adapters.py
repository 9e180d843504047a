"""What an adapter adds to one run of a framework.

The models answer at once, so that only the frameworks and Civitas take time: processor time, as a busy machine
interrupts a run of a millisecond often. Runs with and without Civitas take turns, a few at a time, and the median
difference counts.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from statistics import median
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SessionABC, Usage
from agents.items import TResponseInputItem
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from benchmarks.harness import Benchmark, Target, in_loop
from civitas import AgentProcess, Runtime, Supervisor, wrap

__all__ = [
    "AGENT",
    "AGENT_CONVERSATION",
    "GRAPH",
    "GRAPH_CONVERSATION",
    "GRAPH_STREAM",
    "adds",
    "timed",
]

_BATCHES, _RUNS = 40, 5
_QUESTION = "how many?"

Call = Callable[[], Awaitable[Any]]


def adds(
    title: str,
    payload: Any,
    bare: Call,
    agent: AgentProcess,
    *,
    conversations: bool = False,
    stream: bool = False,
    batches: int = _BATCHES,
    runs: int = _RUNS,
) -> Benchmark:
    """What an ask of `agent` takes more than `bare`.

    Args:
        title: What is measured.
        payload: What the agent is asked.
        bare: The same run without Civitas.
        agent: The agent.
        conversations: Each ask is in a conversation of its own; by default in none.
        stream: Read the stream instead.
        batches: How often the two take turns.
        runs: Of each, in one turn.
    """

    async def run() -> float:
        await bare()
        return median([await timed(bare, runs) for _ in range(batches)])

    async def added() -> float:
        numbers = itertools.count()
        async with Runtime(Supervisor("root", children=[agent])) as runtime:

            async def ask() -> None:
                conversation = f"c{next(numbers)}" if conversations else None
                if not stream:
                    await runtime.ask("a", payload, conversation=conversation)
                    return
                async with aclosing(runtime.stream("a", payload)) as chunks:
                    async for _ in chunks:
                        pass

            await bare()
            await ask()
            return median(
                [-await timed(bare, runs) + await timed(ask, runs) for _ in range(batches)]
            )

    return Benchmark(title, "µs", {"limit": in_loop(run), "civitas": in_loop(added)}, _LITTLE)


async def timed(call: Call, runs: int) -> float:
    """Microseconds of one call."""
    started = time.process_time()
    for _ in range(runs):
        await call()
    return (time.process_time() - started) / runs * 1e6


_LITTLE = Target("≤ 5% or 300 µs", lambda ours, limit, ratio: ours <= max(0.05 * limit, 300))


# LangGraph: three nodes over a message list.


async def _answer(state: MessagesState) -> Any:
    return {"messages": [AIMessage("forty-two")]}


def _graph(**options: Any) -> Any:
    builder = StateGraph(MessagesState)
    before: str = START
    for name in ("plan", "think", "answer"):
        builder.add_node(name, _answer)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile(**options)


def _user() -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": _QUESTION}]}


_GRAPH = _graph()
_THREADS = _graph(checkpointer=InMemorySaver())
_numbers = itertools.count()


async def _bare_graph() -> None:
    await _GRAPH.ainvoke(_user())


async def _bare_thread() -> None:
    await _THREADS.ainvoke(_user(), {"configurable": {"thread_id": f"c{next(_numbers)}"}})


async def _bare_stream() -> None:
    async for _ in _GRAPH.astream(_user(), stream_mode=["messages", "tasks", "values"]):
        pass


# OpenAI Agents SDK: one model call.


class _Scripted(Model):
    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        text = ResponseOutputText(text="forty-two", type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id="m", content=[text], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("nobody streams it here")


class _Session(SessionABC):
    """The least that the SDK takes for a conversation."""

    session_settings = None

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.items: list[TResponseInputItem] = []

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        return list(self.items)

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        self.items.extend(items)

    async def pop_item(self) -> TResponseInputItem | None:
        return self.items.pop() if self.items else None

    async def clear_session(self) -> None:
        self.items.clear()


# Without it the SDK hands its traces to its vendor's exporter; Civitas takes that off.
_QUIET = RunConfig(tracing_disabled=True)


_AGENT: Agent[Any] = Agent(name="clerk", instructions="Answer.", model=_Scripted())


async def _bare_agent() -> None:
    await Runner.run(_AGENT, _QUESTION, run_config=_QUIET)


async def _bare_session() -> None:
    session: Any = _Session("c")
    await Runner.run(_AGENT, _QUESTION, run_config=_QUIET, session=session)


_PAYLOAD = {"input": _QUESTION}

GRAPH = adds("added to a LangGraph run of 3 nodes", _PAYLOAD, _bare_graph, wrap(_GRAPH, name="a"))
GRAPH_CONVERSATION = adds(
    "the same in a conversation",
    _PAYLOAD,
    _bare_thread,
    wrap(_GRAPH, name="a"),
    conversations=True,
)
GRAPH_STREAM = adds(
    "the same, streamed", _PAYLOAD, _bare_stream, wrap(_GRAPH, name="a"), stream=True
)
AGENT = adds(
    "added to an OpenAI run of 1 model call",
    _PAYLOAD,
    _bare_agent,
    wrap(_AGENT, name="a", run_config=_QUIET),
)
AGENT_CONVERSATION = adds(
    "the same in a conversation",
    _PAYLOAD,
    _bare_session,
    wrap(_AGENT, name="a", run_config=_QUIET),
    conversations=True,
)

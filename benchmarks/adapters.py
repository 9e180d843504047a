"""What an adapter adds to one run of a framework, beside the same run without Civitas.

The models answer at once, so that only the frameworks and Civitas take time: processor time, as a busy machine
interrupts a run of a millisecond often.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, SessionABC, Usage
from agents.items import TResponseInputItem
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from benchmarks.harness import Benchmark, Measurement, in_loop, little_more
from civitas import Runtime, Supervisor, wrap

__all__ = ["AGENT", "AGENT_CONVERSATION", "GRAPH", "GRAPH_CONVERSATION", "GRAPH_STREAM", "per_run"]

_BATCHES, _RUNS = 10, 20
_QUESTION = "how many?"


def per_run(
    call: Callable[[], Awaitable[Any]], runs: int = _RUNS
) -> Callable[[], Awaitable[float]]:
    """Microseconds of one `call`, the least of some batches, after one call to warm up."""

    async def measure() -> float:
        await call()
        batches = []
        for _ in range(_BATCHES):
            started = time.process_time()
            for _ in range(runs):
                await call()
            batches.append(time.process_time() - started)
        return min(batches) / runs * 1e6

    return measure


def _asked(subject: Any, *, conversations: bool = False, **options: Any) -> Measurement:
    """As many asks of the agent, each in a conversation of its own or in none."""

    async def measure() -> float:
        numbers = itertools.count()
        agent = wrap(subject, name="a", **options)
        async with Runtime(Supervisor("root", children=[agent])) as runtime:

            async def ask() -> None:
                conversation = f"c{next(numbers)}" if conversations else None
                await runtime.ask("a", {"input": _QUESTION}, conversation=conversation)

            return await per_run(ask)()

    return in_loop(measure)


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


def _bare_graph() -> Measurement:
    graph = _graph()
    return in_loop(per_run(lambda: graph.ainvoke(_user())))


def _bare_thread() -> Measurement:
    numbers = itertools.count()

    async def measure() -> float:
        graph = _graph(checkpointer=InMemorySaver())

        async def run() -> None:
            config = {"configurable": {"thread_id": f"c{next(numbers)}"}}
            await graph.ainvoke(_user(), config)

        return await per_run(run)()

    return in_loop(measure)


def _bare_stream() -> Measurement:
    graph = _graph()

    async def run() -> None:
        async for _ in graph.astream(_user(), stream_mode=["messages", "tasks", "values"]):
            pass

    return in_loop(per_run(run))


def _streamed(subject: Any) -> Measurement:
    async def measure() -> float:
        async with Runtime(Supervisor("root", children=[wrap(subject, name="a")])) as runtime:

            async def read() -> None:
                async with aclosing(runtime.stream("a", {"input": _QUESTION})) as stream:
                    async for _ in stream:
                        pass

            return await per_run(read)()

    return in_loop(measure)


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


def _agent() -> Agent[Any]:
    return Agent(name="clerk", instructions="Answer.", model=_Scripted())


def _bare_agent(*, conversations: bool = False) -> Measurement:
    agent = _agent()

    async def run() -> None:
        session: Any = _Session("c") if conversations else None
        await Runner.run(agent, _QUESTION, run_config=_QUIET, session=session)

    return in_loop(per_run(run))


GRAPH = Benchmark(
    "a LangGraph run, 3 nodes",
    "µs",
    {"limit": _bare_graph(), "civitas": _asked(_graph())},
    little_more(0.05, 300, "µs"),
)
GRAPH_CONVERSATION = Benchmark(
    "the same in a conversation",
    "µs",
    {"limit": _bare_thread(), "civitas": _asked(_graph(), conversations=True)},
    little_more(0.05, 300, "µs"),
)
GRAPH_STREAM = Benchmark(
    "the same, streamed",
    "µs",
    {"limit": _bare_stream(), "civitas": _streamed(_graph())},
    little_more(0.05, 300, "µs"),
)
AGENT = Benchmark(
    "an OpenAI run, 1 model call",
    "µs",
    {"limit": _bare_agent(), "civitas": _asked(_agent(), run_config=_QUIET)},
    little_more(0.05, 300, "µs"),
)
AGENT_CONVERSATION = Benchmark(
    "the same in a conversation",
    "µs",
    {
        "limit": _bare_agent(conversations=True),
        "civitas": _asked(_agent(), conversations=True, run_config=_QUIET),
    },
    little_more(0.05, 300, "µs"),
)

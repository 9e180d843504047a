"""The graph and the agent that contestants run durably, if they have LangGraph or the OpenAI Agents SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict
from uuid import uuid4

__all__ = ["GRAPH_STEPS", "TOOL_CALLS", "agent", "graph", "in_runs"]

GRAPH_STEPS, TOOL_CALLS = 50, 20

Run = Callable[[str], Awaitable[object]]


class State(TypedDict):
    """Of the graph."""

    done: int
    text: str


def graph(**compiled: Any) -> Any:
    """A graph with one node that runs `GRAPH_STEPS` times."""
    from langgraph.graph import END, START, StateGraph

    async def work(state: State) -> State:
        return {"done": state["done"] + 1, "text": f"step {state['done']} " * 20}

    def more(state: State) -> str:
        return "work" if state["done"] < GRAPH_STEPS else END

    builder = StateGraph(State)
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", more, ["work", END])
    return builder.compile(**compiled)


def agent(look: Callable[..., Any]) -> Any:
    """An agent whose scripted model calls the tool `look` so many times, one after another."""
    from agents import Agent, Model, ModelResponse, Usage, function_tool
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    class Scripted(Model):
        async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
            given = kwargs["input"] if "input" in kwargs else args[1]
            seen = sum(
                isinstance(each, dict) and each.get("type") == "function_call_output"
                for each in given
            )
            output: Any
            if seen < TOOL_CALLS:
                output = ResponseFunctionToolCall(
                    arguments=json.dumps({"number": seen}),
                    call_id=f"call-{seen}",
                    name="look",
                    type="function_call",
                )
            else:
                text = ResponseOutputText(text="The end.", type="output_text", annotations=[])
                output = ResponseOutputMessage(
                    id="end", content=[text], role="assistant", status="completed", type="message"
                )
            return ModelResponse(output=[output], usage=Usage(), response_id=None)

        def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError("nobody streams it here")

    return Agent(name="reader", model=Scripted(), tools=[function_tool(look)])


def in_runs(run: Run, each: int) -> Callable[[int], Awaitable[float]]:
    """The work of one run after another, each with `each` steps or calls."""

    async def work(size: int) -> float:
        started = time.perf_counter()
        for _ in range(size // each):
            await run(uuid4().hex)
        return time.perf_counter() - started

    return work

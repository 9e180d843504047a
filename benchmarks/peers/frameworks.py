"""The graph and the agent that contestants run durably, if they have LangGraph or the OpenAI Agents SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypedDict
from uuid import uuid4

__all__ = [
    "GRAPH_STEPS",
    "TOOL_CALLS",
    "agent",
    "builder",
    "calls_in",
    "graph",
    "in_runs",
    "scripted",
]

GRAPH_STEPS, TOOL_CALLS = 50, 20

Run = Callable[[str], Awaitable[object]]


class State(TypedDict):
    """Of the graph."""

    done: int
    text: str


async def _work(state: State) -> State:
    return {"done": state["done"] + 1, "text": f"step {state['done']} " * 20}


async def _more(state: State) -> bool:
    return state["done"] < GRAPH_STEPS


def builder(**of_node: Any) -> Any:
    """A graph with one node that runs `GRAPH_STEPS` times, before it is compiled."""
    from langgraph.graph import END, START, StateGraph

    made = StateGraph(State)
    made.add_node("work", _work, **of_node)
    made.add_edge(START, "work")
    made.add_conditional_edges("work", _more, {True: "work", False: END})
    return made


def graph(**compiled: Any) -> Any:
    """The same graph, compiled."""
    return builder().compile(**compiled)


def agent(look: Any, model: Any = None) -> Any:
    """An agent whose model calls the tool `look` so many times, one after another.

    Args:
        look: A function, or a tool of the SDK.
        model: A name, where something else finds the model; the scripted one by default.
    """
    from agents import Agent, FunctionTool, function_tool

    tool = look if isinstance(look, FunctionTool) else function_tool(look)
    return Agent(name="reader", model=model or scripted(), tools=[tool])


def scripted() -> Any:
    """The model."""
    from agents import Model, ModelResponse, Usage
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    class Scripted(Model):
        async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
            given = kwargs["input"] if "input" in kwargs else args[1]
            seen = calls_in(given)
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

    return Scripted()


def calls_in(conversation: Any) -> int:
    """How many calls of the tool have been answered in what a model is given."""
    return sum(
        isinstance(each, dict) and each.get("type") == "function_call_output"
        for each in conversation
    )


def in_runs(run: Run, each: int) -> Callable[[int], Awaitable[float]]:
    """The work of one run after another, each with `each` steps or calls."""

    async def work(size: int) -> float:
        started = time.perf_counter()
        for _ in range(size // each):
            await run(uuid4().hex)
        return time.perf_counter() - started

    return work

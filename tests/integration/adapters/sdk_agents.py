"""SDK agents whose models and tools come to points."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, Usage, function_tool
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from tests.integration.adapters.points import point


class Played(Model):
    """Calls one tool after the other, and says what they returned."""

    def __init__(self, name: str, *tools: str) -> None:
        self._name = name
        self._tools = tools

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        items = [] if isinstance(input, str) else input
        results = [each["output"] for each in items if each.get("type") == "function_call_output"]
        await point(f"{self._name}-{len(results)}")
        output: Any
        if len(results) < len(self._tools):
            tool = self._tools[len(results)]
            arguments = '{"input": "x"}' if tool == "expert" else "{}"
            output = ResponseFunctionToolCall(
                arguments=arguments,
                call_id=f"{self._name}-{tool}",
                name=tool,
                type="function_call",
            )
        else:
            part = ResponseOutputText(text=" ".join(results), type="output_text", annotations=[])
            output = ResponseOutputMessage(
                id="m", content=[part], role="assistant", status="completed", type="message"
            )
        return ModelResponse([output], Usage(), None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


@function_tool
async def look() -> str:
    """Look."""
    await point("look")
    return "found"


@function_tool
async def note() -> str:
    """Note it."""
    await point("note")
    return "noted"


@function_tool(needs_approval=True)
async def delete() -> str:
    """Delete it."""
    await point("delete")
    return "deleted"


_expert = Agent(name="expert", model=Played("inner", "note"), tools=[note])
_nested = _expert.as_tool("expert", "Ask the expert.")

clerk = Agent(name="clerk", model=Played("outer", "look", "expert"), tools=[look, _nested])
asking = Agent(name="clerk", model=Played("outer", "look", "delete"), tools=[look, delete])

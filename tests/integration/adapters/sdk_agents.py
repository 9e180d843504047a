"""SDK agents whose models and tools come to points."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import (
    Agent,
    ApplyPatchTool,
    Model,
    ModelResponse,
    RunContextWrapper,
    ShellTool,
    Usage,
    function_tool,
)
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from tests.integration.adapters.points import fatal_point, point, result_of
from tests.openai.support import Says, function, patch, shell


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


def _numbers(input: Any) -> Any:
    """Calls for ten numbers at once, then for the next, as many as the user says."""
    seen = sum("output" in each for each in input)
    if seen == int(input[0]["content"]):
        return f"{seen} found"
    numbers = range(seen, seen + 10)
    return [function("look_up", f"c{each}", f'{{"number": {each}}}') for each in numbers]


@function_tool
async def look_up(number: int) -> str:
    """Look up a number."""
    fatal_point(f"look-{number}")
    return result_of(number)


reader = Agent(name="reader", model=Says(_numbers), tools=[look_up])


class Notes:
    """What the tools of a run know of each other."""

    def __init__(self) -> None:
        self.jotted = 0


async def run(request: Any) -> str:
    await point("shell")
    return "ran"


class Editor:
    async def create_file(self, operation: Any) -> str:
        await point("patch")
        return "made"

    update_file = delete_file = create_file


@function_tool
async def jot(context: RunContextWrapper[Notes]) -> str:
    """Jot it down."""
    await point("jot")
    context.context.jotted += 1
    return "jotted"


@function_tool
async def recall(context: RunContextWrapper[Notes]) -> str:
    """Say how often it was jotted down."""
    return f"jotted {context.context.jotted}"


def _crafts(input: Any) -> Any:
    done = [each["output"] for each in input if "output" in each]
    if not done:
        return [shell("1", "ls"), patch("2", "a.txt", "+a"), function("jot", "3")]
    if len(done) == 3:
        return [function("look", "4")]
    return [function("recall", "5")] if len(done) == 4 else str(done[-1])


crafts = Agent[Notes](
    name="crafts",
    model=Says(_crafts),
    tools=[ShellTool(executor=run), ApplyPatchTool(editor=Editor()), jot, look, recall],
)

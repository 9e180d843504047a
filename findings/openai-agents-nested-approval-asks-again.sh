#!/bin/bash
# OpenAI Agents SDK 0.20: a tool that needs approval, in an agent that is a tool of an agent that is a tool, is asked for
# again each time it was approved, and never runs. One agent less deep it runs; in 0.24 it does at any depth.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openai-agents==0.20.0

cat > look.py <<'PYTHON'
import asyncio
from importlib.metadata import version

from agents import Agent, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

set_tracing_disabled(True)
deleted = []


class CallsOnce(Model):
    """Calls its tool, and is done when it has the result."""

    def __init__(self, tool):
        self.tool = tool

    async def get_response(self, system_instructions, input, *more, **named):
        if not any(each.get("type") == "function_call_output" for each in input):
            text = '{"input": "x"}' if self.tool != "delete" else "{}"
            item = ResponseFunctionToolCall(
                name=self.tool, call_id=f"call_{self.tool}", arguments=text, type="function_call"
            )
        else:
            part = ResponseOutputText(text="done", type="output_text", annotations=[])
            item = ResponseOutputMessage(
                id="m", content=[part], role="assistant", status="completed", type="message"
            )
        return ModelResponse([item], Usage(), None)

    def stream_response(self, *arguments, **named):
        raise NotImplementedError


@function_tool(needs_approval=True)
def delete() -> str:
    """Delete."""
    deleted.append(True)
    return "deleted"


async def approvals(depth):
    """How often it is asked before the run ends, five times at most, and how often the tool ran."""
    deleted.clear()
    agent = Agent(name="inner", model=CallsOnce("delete"), tools=[delete])
    for level in range(depth):
        name = f"ask{level}"
        agent = Agent(name=name, model=CallsOnce(name), tools=[agent.as_tool(name, "Ask.")])
    result = await Runner.run(agent, "go")
    for asked in range(6):
        if asked == 5 or not result.interruptions:
            return asked, len(deleted)
        state = result.to_state()
        for each in result.interruptions:
            state.approve(each)
        result = await Runner.run(agent, state)


seen = [asyncio.run(approvals(depth)) for depth in (0, 1, 2)]
print("openai-agents", version("openai-agents"))
print("expected: at each depth asked 1 time, ran 1 time")
for depth, (asked, ran) in enumerate(seen):
    print(f"seen:     {depth} deep: asked {asked} times, ran {ran} times")
raise SystemExit(0 if seen == [(1, 1), (1, 1), (5, 0)] else 1)
PYTHON
venv/bin/python look.py

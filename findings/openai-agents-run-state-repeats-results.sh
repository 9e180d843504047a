#!/bin/bash
# OpenAI Agents SDK: what a run that waits for an approval is saved as (`RunState.to_json`) holds the result of each earlier
# tool call four times. A run that read a megabyte before it asks is saved as four.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openai-agents==0.24.0 openai==3.57.0

cat > pause.py <<'PYTHON'
import asyncio
import json
from importlib.metadata import version

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from openai.types.responses import ResponseFunctionToolCall

SIZE = 1_000_000


class Scripted(Model):
    """Reads, and then asks to delete."""

    async def get_response(self, system_instructions, input, *args, **named):
        read = any(isinstance(each, dict) and each.get("type") == "function_call_output" for each in input)
        name = "delete" if read else "read"
        call = ResponseFunctionToolCall(name=name, call_id=name, arguments="{}", type="function_call")
        return ModelResponse(output=[call], usage=Usage(), response_id=None)

    def stream_response(self, *args, **named):
        raise NotImplementedError


@function_tool
async def read() -> str:
    """Read a file."""
    return "x" * SIZE


@function_tool(needs_approval=True)
async def delete() -> str:
    """Delete it."""
    return "deleted"


async def main():
    agent = Agent(name="clerk", model=Scripted(), tools=[read, delete])
    result = await Runner.run(agent, "Tidy up.", run_config=RunConfig(tracing_disabled=True))
    assert [each.name for each in result.interruptions] == ["delete"]
    saved = json.dumps(result.to_state().to_json())
    times = saved.count("x" * SIZE)
    print("openai-agents", version("openai-agents"))
    print(f"expected: the result of {SIZE:,} characters is in the saved state once")
    print(f"seen: it is there {times} times; the state has {len(saved):,} characters")
    assert times == 4


asyncio.run(main())
PYTHON
venv/bin/python pause.py

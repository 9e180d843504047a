"""The Pydantic AI adapter alone, with the core it brings along; the model is scripted."""

from __future__ import annotations

import asyncio
import importlib.util

from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from civitas import Runtime, Supervisor, wrap


async def greet(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Says one word."""
    return ModelResponse(parts=[TextPart("hello")])


agent = wrap(Agent(FunctionModel(greet), name="greeter"), name="greeter")


async def main() -> None:
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        assert (await runtime.ask("greeter", {"input": "hi"})).payload == {"output": "hello"}


asyncio.run(main())
assert not [name for name in ("agents", "crewai", "langgraph") if importlib.util.find_spec(name)]
print("works alone")

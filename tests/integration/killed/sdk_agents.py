"""An SDK agent that comes by boundaries of every kind: models, tools, a handoff, an approval, an agent elsewhere."""

from __future__ import annotations

import os
from typing import Any

from agents import Agent, OpenAIChatCompletionsModel, function_tool
from openai import AsyncOpenAI

from civitas_openai import agent_tool
from tests.integration.killed.world import MODELS, did


@function_tool
def search(text: str) -> str:
    """Search."""
    return did("search")


@function_tool
def fetch(text: str) -> str:
    """Fetch."""
    return did("fetch")


@function_tool(needs_approval=True)
def file(text: str) -> str:
    """File it."""
    return did("file")


def clerk() -> Any:
    """The agent."""
    client = AsyncOpenAI(base_url=os.environ[MODELS], api_key="x", max_retries=0)

    def model(name: str) -> Any:
        return OpenAIChatCompletionsModel(name, client)

    writer = Agent(name="writer", model=model("writer"), tools=[file])
    tools: list[Any] = [search, fetch, agent_tool("helper", description="Helps.")]
    return Agent(name="clerk", model=model("clerk"), tools=tools, handoffs=[writer])

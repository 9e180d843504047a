"""Two agents of the OpenAI Agents SDK: one hands over to the graph, one calls it as a tool."""

from __future__ import annotations

from agents import Agent, OpenAIChatCompletionsModel
from openai import AsyncOpenAI

from civitas_openai import agent_tool, handoff_to

_model = OpenAIChatCompletionsModel("m1", AsyncOpenAI(max_retries=0))

clerk = Agent(
    name="clerk",
    instructions="Hand questions over.",
    model=_model,
    handoffs=[handoff_to("research", "Knows things")],
)
desk = Agent(
    name="desk",
    instructions="Answer what the researcher found.",
    model=_model,
    tools=[agent_tool("research", description="Knows things")],
)

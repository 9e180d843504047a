"""The agent of the OpenAI Agents SDK, as Civitas runs it."""

from __future__ import annotations

from agents import Agent, function_tool

from benchmarks.wall import task
from civitas.frameworks import idempotency_key

__all__ = ["agent"]


@function_tool
async def look(number: int) -> str:
    """Look up a number."""
    return task.look(number, idempotency_key())


agent = Agent(name="Reader", instructions="Look up every number.", model="scripted", tools=[look])

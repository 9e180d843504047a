"""A support desk: a plain agent of the OpenAI Agents SDK, which knows nothing of users, crashes or outages."""

import os

from agents import Agent, OpenAIChatCompletionsModel, function_tool
from openai import AsyncOpenAI

from civitas.frameworks import idempotency_key

ORDERS = {"1001": "shipped on Monday", "1002": "waiting for a missing part", "1003": "lost"}
tickets: dict[str, str] = {}
"""Stands for the ticket system, which knows an idempotency key when it sees one again."""


@function_tool
async def find_order(number: str) -> str:
    """Look up the state of an order.

    Args:
        number: The order's number.
    """
    return ORDERS.get(number, "unknown")


@function_tool
async def open_ticket(number: str) -> str:
    """Have a person look for a lost order.

    Args:
        number: The order's number.
    """
    tickets.setdefault(idempotency_key(), number)
    return f"A person looks for order {number} now."


agent = Agent(
    name="Support desk",
    instructions="Answer in one sentence. Look orders up; never guess. Open a ticket for a lost one.",
    tools=[find_order, open_ticket],
    model=OpenAIChatCompletionsModel(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        openai_client=AsyncOpenAI(max_retries=0),  # the topology says how often, and shows it
    ),
)

"""Answers questions about orders. A plain agent of the OpenAI Agents SDK."""

import os

from agents import Agent, OpenAIChatCompletionsModel, function_tool
from openai import AsyncOpenAI

ORDERS = {"1001": "shipped on Monday", "1002": "waiting for a missing part"}


@function_tool
def find_order(number: str) -> str:
    """Look up the state of an order.

    Args:
        number: The order's number.
    """
    return ORDERS.get(number, "there is no such order")


agent = Agent(
    name="Order clerk",
    instructions="Answer in one sentence. Look orders up; never guess.",
    tools=[find_order],
    model=OpenAIChatCompletionsModel(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        openai_client=AsyncOpenAI(),
    ),
)

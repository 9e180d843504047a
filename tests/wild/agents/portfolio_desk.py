"""A desk of analysts: dynamic instructions, hooks, a handoff with an input filter, structured output."""

from dataclasses import dataclass

from agents import Agent, AgentHooks, RunContextWrapper, function_tool, handoff
from agents.extensions import handoff_filters
from pydantic import BaseModel


@dataclass
class Desk:
    currency: str = "EUR"


class Advice(BaseModel):
    action: str
    currency: str


class Log(AgentHooks):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_start(self, context, agent) -> None:
        self.seen.append(agent.name)


def instructions(context: RunContextWrapper[Desk | None], agent: Agent) -> str:
    currency = context.context.currency if context.context else "EUR"
    return f"You advise in {currency}."


@function_tool
def quote(symbol: str) -> str:
    """Quote a share."""
    return f"{symbol} is at 42"


adviser = Agent(
    name="Adviser", instructions=instructions, hooks=Log(), output_type=Advice, tools=[quote]
)
agent = Agent(
    name="Front desk",
    instructions="You greet, look quotes up, and hand over to the adviser.",
    tools=[quote],
    handoffs=[handoff(adviser, input_filter=handoff_filters.remove_all_tools)],
)

"""Human in the loop inside: an agent that is a tool has a tool that needs approval."""

from agents import Agent, function_tool


@function_tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


bursar = Agent(name="Bursar", instructions="You pay.", tools=[pay])
agent = Agent(
    name="Clerk",
    instructions="You handle invoices.",
    tools=[bursar.as_tool("bursar", "Pays invoices")],
)

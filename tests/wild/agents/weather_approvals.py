"""Human in the loop: some calls of a tool need approval, and those of an agent that is a tool."""

from agents import Agent, function_tool


async def needs_approval(context, parameters, call_id) -> bool:
    return "Oakland" in parameters.get("city", "")


@function_tool(needs_approval=needs_approval)
async def get_temperature(city: str) -> str:
    """Get the temperature of a city."""
    return f"The temperature in {city} is 20 degrees."


@function_tool
async def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"The weather in {city} is sunny."


agent = Agent(
    name="Weather Assistant",
    instructions="You answer questions about the weather.",
    tools=[get_weather, get_temperature],
)

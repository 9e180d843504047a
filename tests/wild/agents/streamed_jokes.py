"""The smallest: an agent with a tool that says how many jokes to tell."""

from agents import Agent, ModelSettings, function_tool


@function_tool
def how_many_jokes() -> int:
    """Get a number of jokes to tell."""
    return 2


agent = Agent(
    name="Joker",
    instructions="First determine how many jokes to tell, then tell them.",
    tools=[how_many_jokes],
    model_settings=ModelSettings(temperature=0.1),
)

"""Parallelization: three translators at once, and one who picks the best."""

from agents import Agent, ModelSettings

translator = Agent(name="spanish_agent", instructions="You translate to Spanish.")
agent = Agent(
    name="translation_picker",
    instructions="Have it translated by all three, and pick the best.",
    tools=[translator.as_tool(f"translator_{at}", "Translate to Spanish") for at in (1, 2, 3)],
    model_settings=ModelSettings(parallel_tool_calls=True),
)

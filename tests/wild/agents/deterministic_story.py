"""A deterministic flow: outline, check, story, each an agent, in one tool of an agent that tells the end."""

from agents import Agent, Runner, StopAtTools, function_tool
from pydantic import BaseModel


class OutlineCheckerOutput(BaseModel):
    good_quality: bool
    is_scifi: bool


outliner = Agent(name="story_outline_agent", instructions="Write a short story outline.")
checker = Agent(
    name="outline_checker_agent",
    instructions="Judge the outline.",
    output_type=OutlineCheckerOutput,
)
writer = Agent(name="story_agent", instructions="Write a short story from the outline.")


@function_tool
async def tell_story(idea: str) -> str:
    """Write a story from an idea."""
    outline = (await Runner.run(outliner, idea)).final_output
    check = (await Runner.run(checker, outline)).final_output
    if not (check.good_quality and check.is_scifi):
        return "The outline is not good enough."
    return (await Runner.run(writer, outline)).final_output


agent = Agent(
    name="storyteller",
    instructions="Call the tool with the idea of the user.",
    tools=[tell_story],
    tool_use_behavior=StopAtTools(stop_at_tool_names=["tell_story"]),
)

"""LLM as a judge: an outline is written until an evaluator lets it pass."""

from typing import Literal

from agents import Agent
from pydantic import BaseModel


class EvaluationFeedback(BaseModel):
    feedback: str
    score: Literal["pass", "needs_improvement", "fail"]


evaluator = Agent(
    name="evaluator",
    instructions="You evaluate a story outline. Never give a pass on the first try.",
    output_type=EvaluationFeedback,
)
agent = Agent(
    name="story_outline_generator",
    instructions="Write a story outline, have it evaluated, and improve it until it passes.",
    tools=[evaluator.as_tool("evaluate", "Evaluate the outline")],
)

"""Routing: a triage agent hands over by language; over chat completions, as behind a proxy."""

from agents import Agent, OpenAIChatCompletionsModel
from openai import AsyncOpenAI

model = OpenAIChatCompletionsModel("gpt-4o-mini", AsyncOpenAI())
french = Agent(name="french_agent", instructions="You only speak French", model=model)
spanish = Agent(name="spanish_agent", instructions="You only speak Spanish", model=model)
agent = Agent(
    name="triage_agent",
    instructions="Hand over to the agent of the language.",
    handoffs=[french, spanish],
    model=model,
)

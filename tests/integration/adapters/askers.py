"""One subject of each framework, whose model is at the address that the environment names."""

from __future__ import annotations

import os
from typing import Any

from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

MODEL = "CIVITAS_TEST_MODEL"


def graph() -> Any:
    """A graph that asks the model once."""
    model = ChatOpenAI(model="m1", base_url=os.environ[MODEL], api_key="x", max_retries=0)  # type: ignore[arg-type]

    async def ask(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node(ask).add_edge(START, "ask").compile()


def assistant() -> Any:
    """An agent of the SDK that asks the model once."""
    from agents import Agent, OpenAIChatCompletionsModel
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=os.environ[MODEL], api_key="x", max_retries=0)
    return Agent(name="assistant", model=OpenAIChatCompletionsModel("m1", client))


def crew() -> Any:
    """A crew of one task, for the input `input`."""
    from crewai import LLM, Agent, Crew, Task

    llm = LLM(model="openai/m1", base_url=os.environ[MODEL], api_key="x", max_retries=0)
    clerk = Agent(role="Clerk", goal="x", backstory="x", llm=llm, max_retry_limit=0)
    task = Task(name="t", description="{input}", expected_output="x", agent=clerk)
    return Crew(agents=[clerk], tasks=[task])

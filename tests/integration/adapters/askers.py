"""A graph and an agent whose model is at the address that the environment names."""

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

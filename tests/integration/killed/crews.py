"""A crew that comes by boundaries of every kind: models, tools, tasks, a human, an agent elsewhere."""

from __future__ import annotations

import os
from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

from civitas_crewai import agent_tool
from tests.integration.killed.world import MODELS, did


@tool("search")
def search(text: str) -> str:
    """Search."""
    return did("search")


@tool("fetch")
def fetch(text: str) -> str:
    """Fetch."""
    return did("fetch")


@tool("file")
def file(text: str) -> str:
    """File it."""
    return did("file")


def _task(name: str, *tools: Any, **more: Any) -> Task:
    url = os.environ[MODELS]
    llm: Any = LLM(model=f"openai/{name}", base_url=url, api_key="x", max_retries=0)
    texts = {"role": name, "goal": "Do it", "backstory": "You do it."}
    agent = Agent(**texts, llm=llm, tools=list(tools), max_retry_limit=0)
    expected = "Text"
    return Task(name=name, description="{topic}", expected_output=expected, agent=agent, **more)


def clerk() -> Crew:
    """The crew."""
    helper = agent_tool("helper", description="Helps.")
    tasks = [_task("clerk", search, fetch, helper, human_input=True), _task("writer", file)]
    return Crew(agents=[each.agent for each in tasks if each.agent], tasks=tasks)

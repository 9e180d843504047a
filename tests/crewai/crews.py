"""Crews for these tests."""

from __future__ import annotations

import re
from typing import Any

from crewai import Agent, BaseLLM, Crew, Task

from civitas.testing import SuiteModel
from tests.crewai.models import played
from tests.integration.adapters.remembering import recalled

__all__ = ["clerk", "crew_of", "recalling", "task"]


def clerk(model: SuiteModel | Any, **more: Any) -> Agent:
    """An agent that plays `model`; CrewAI itself tries nothing again."""
    llm = played(model) if isinstance(model, SuiteModel) else model
    more = {"role": "Clerk", "goal": "Answer", "backstory": "You answer.", **more}
    return Agent(llm=llm, max_retry_limit=0, **more)


def task(agent: Agent, name: str = "answer", **more: Any) -> Task:
    """A task that says its name."""
    more = {"description": f"Do {name}.", "expected_output": "Text", **more}
    return Task(name=name, agent=agent, **more)


def crew_of(*tasks: Task, **more: Any) -> Crew:
    """A crew of these tasks and their agents."""
    agents = {id(each.agent): each.agent for each in tasks if each.agent is not None}
    return Crew(agents=list(agents.values()), tasks=list(tasks), **more)


class Recalls(BaseLLM):
    """Answers with what it was told before in the conversation, and now."""

    def call(self, messages: Any, *args: Any, **keywords: Any) -> Any:
        text = "\n".join(str(each.get("content")) for each in messages)
        earlier, _, now = text.rpartition("Asked now: ")
        told = re.findall(r'Earlier inputs: {"text": "(told_\w+)"}', earlier)
        told += re.findall(r"told_\w+", now)[:1]
        return recalled(told, earlier.count("Earlier output: "))


def recalling() -> Crew:
    """A crew of one that plays `Recalls`."""
    agent = clerk(Recalls(model="recalls"))
    return crew_of(task(agent, description="{history}\nAsked now: {text}"))

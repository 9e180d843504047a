"""Crews whose models and tools come to points."""

from __future__ import annotations

import os
from typing import Any

from crewai import LLM, Agent, BaseLLM, Crew, Task
from crewai.tools import tool

from tests.integration.adapters.askers import MODEL
from tests.integration.adapters.points import blocking_point, fatal_point, result_of


class Played(BaseLLM):
    """Calls its tools one after the other, and says what they returned."""

    def call(self, messages: Any, tools: Any = None, *args: Any, **keywords: Any) -> Any:
        results = [each["content"] for each in messages if each.get("role") == "tool"]
        blocking_point(f"{self.model}-{len(results)}")
        names = [each["function"]["name"] for each in tools or ()]
        if len(results) < len(names):
            function = {"name": names[len(results)], "arguments": "{}"}
            return [{"id": f"call-{len(results)}", "type": "function", "function": function}]
        return " ".join(results) or f"{self.model.rpartition('-')[2]} done"

    def supports_function_calling(self) -> bool:
        return True


def _tools(before: str) -> tuple[Any, Any]:
    @tool("look")
    def look() -> str:
        """Look."""
        blocking_point(f"{before}look")
        return "found"

    @tool("note")
    def note() -> str:
        """Note it."""
        blocking_point(f"{before}note")
        return "noted"

    return look, note


def _task(name: str, *tools: Any, before: str = "", **more: Any) -> Task:
    agent = Agent(
        role=name,
        goal="Do it",
        backstory="You do it.",
        llm=Played(model=f"{before}{name}"),
        tools=list(tools),
        max_retry_limit=0,
    )
    return Task(name=name, description=name, expected_output="Text", agent=agent, **more)


def _crew(*tasks: Task) -> Crew:
    return Crew(agents=[each.agent for each in tasks if each.agent], tasks=list(tasks))


def _two_tasks(before: str) -> Crew:
    find = _task("find", *_tools(before), before=before)
    return _crew(find, _task("write", before=before))


def two_tasks() -> Crew:
    """Finds with two tools, and then writes."""
    return _two_tasks("")


def streamed() -> Crew:
    """The same, with points of its own, for beside it."""
    return _two_tasks("s-")


def _asking(before: str) -> Crew:
    look, _ = _tools(before)
    find = _task("find", look, before=before, human_input=True)
    return _crew(find, _task("write", before=before))


def asking() -> Crew:
    """Finds, asks a human, and then writes."""
    return _asking("")


def judged() -> Crew:
    """The same, with points of its own."""
    return _asking("j-")


class Reading(BaseLLM):
    """Calls for one number after the other, as many as the task says."""

    def call(self, messages: Any, tools: Any = None, *args: Any, **keywords: Any) -> Any:
        seen = sum(each.get("role") == "tool" for each in messages)
        text = next(each["content"] for each in messages if each["role"] == "user")
        if f"Look up {seen} numbers." in text:
            return f"{seen} found"
        function = {"name": "look_up", "arguments": f'{{"number": {seen}}}'}
        return [{"id": f"call-{seen}", "type": "function", "function": function}]

    def supports_function_calling(self) -> bool:
        return True

    def get_context_window_size(self) -> int:
        return 10_000_000


@tool("look_up")
def look_up(number: int) -> str:
    """Look up a number."""
    fatal_point(f"look-{number}")
    return result_of(number)


def reading() -> Crew:
    """Looks up one number after the other."""
    reader = Agent(
        role="Reader",
        goal="Look up every number",
        backstory="You read.",
        llm=Reading(model="reading"),
        tools=[look_up],
        max_iter=10_000,
        max_retry_limit=0,
    )
    read = Task(description="Look up {calls} numbers.", expected_output="Text", agent=reader)
    return _crew(read)


def asker() -> Crew:
    """Asks the model at the address that the environment names once, with the input `input`."""
    llm = LLM(model="openai/m1", base_url=os.environ[MODEL], api_key="x", max_retries=0)
    clerk = Agent(role="Clerk", goal="x", backstory="x", llm=llm, max_retry_limit=0)
    task = Task(name="t", description="{input}", expected_output="x", agent=clerk)
    return Crew(agents=[clerk], tasks=[task])

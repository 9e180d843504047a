"""The CrewAI adapter alone, with the core it brings along; the model is scripted."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

from crewai import Agent, BaseLLM, Crew, Task

from civitas import Runtime, Supervisor, wrap


class Scripted(BaseLLM):
    """Says one sentence."""

    def call(self, *args: Any, **kwargs: Any) -> str:
        return "Thought: I know.\nFinal Answer: hello"


def make_crew() -> Crew:
    greeter = Agent(
        role="Greeter", goal="Greet", backstory="Kind.", llm=Scripted(model="s"), max_retry_limit=0
    )
    task = Task(description="Greet {name}", expected_output="A greeting", agent=greeter)
    return Crew(agents=[greeter], tasks=[task])


async def main() -> None:
    agent = wrap(make_crew, name="crew")
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        reply = await runtime.ask("crew", {"name": "Ada"})
        assert reply.payload["output"] == "hello", reply.payload


asyncio.run(main())
assert not [name for name in ("langgraph", "agents") if importlib.util.find_spec(name)]
print("works alone")

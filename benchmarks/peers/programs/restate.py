"""Restate: its server, and a service with its Python SDK, served by Hypercorn."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import hypercorn.asyncio
import restate
from agents import set_default_openai_client
from openai import AsyncOpenAI
from restate.ext.openai import DurableRunner, durable_function_tool, restate_context

from benchmarks.peers import frameworks, line, mortal, serving
from benchmarks.peers.programs import restate_worker

_LONGEST = 120.0

runs, agents = restate.Service("runs"), restate.Service("agents")


async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@runs.handler()
async def run(context: restate.Context, steps: int) -> None:
    """A run of so many steps."""
    for number in range(steps):
        await context.run_typed(f"step {number}", step)


@durable_function_tool
async def look(number: int) -> str:
    """Look up a number."""

    async def looked() -> str:
        return f"number {number}"

    return await restate_context().run_typed("look", looked)


@agents.handler("run")
async def agent_run(context: restate.Context, name: str) -> str:
    """A run of the agent."""
    result = await DurableRunner.run(frameworks.agent(look, "scripted"), "Look.", max_turns=1000)
    return str(result.final_output)


class Scripted(httpx.AsyncBaseTransport):
    """Answers the SDK's own client as the scripted model does, as its runner takes a model by name only."""

    def __init__(self) -> None:
        self._model = frameworks.scripted()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        answer = await self._model.get_response(input=json.loads(request.content)["input"])
        output = [each.model_dump() for each in answer.output]
        return httpx.Response(200, json={"id": "r", "object": "response", "output": output})


@asynccontextmanager
async def served(app: object) -> AsyncIterator[str]:
    """Serve the endpoint in this process."""
    port, over = serving.free_port(), asyncio.Event()
    config = restate_worker.config(port)
    task = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=over.wait))  # type: ignore[arg-type]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        over.set()
        await task


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    environment = Path(os.environ["PEER"])
    with serving.restate(folder, environment) as (ingress, admin):
        async with (
            served(restate.app([runs, agents])) as here,
            httpx.AsyncClient(timeout=_LONGEST) as client,
        ):

            async def post(url: str, what: Any) -> None:
                (await client.post(url, json=what)).raise_for_status()

            async def invoke(steps: int) -> None:
                await post(f"{ingress}/runs/run", steps)

            async def ask(name: str) -> None:
                await post(f"{ingress}/mortals/run", [str(folder), name])

            async def recover(size: int) -> float:
                """From `kill -9` until the answer of the run."""
                port = serving.free_port()
                command = [sys.executable, "-m", restate_worker.__name__]
                worker = [*command, str(port)]
                async with mortal.kept_up(worker, folder / "worker.log", os.environ):
                    await asyncio.to_thread(serving.wait_for, port)
                    where = {"uri": f"http://127.0.0.1:{port}", "force": True}
                    await post(f"{admin}/deployments", where)
                    return await mortal.recover(folder, ask)(size)

            async def converse(name: str) -> None:
                answer = await client.post(f"{ingress}/agents/run", json=name)
                assert answer.json() == "The end.", answer.text

            scripted = httpx.AsyncClient(transport=Scripted())
            set_default_openai_client(AsyncOpenAI(api_key="none", http_client=scripted), False)
            await post(f"{admin}/deployments", {"uri": here})
            yield line.durable(invoke) | {
                "recover": recover,
                "tool-calls": frameworks.in_runs(converse, frameworks.TOOL_CALLS),
            }


def _server_version() -> str:
    package = Path(os.environ["PEER"]) / "node_modules/@restatedev/restate-server/package.json"
    version: str = json.loads(package.read_text())["version"]
    return version


if __name__ == "__main__":
    line.main(
        _opened,
        "restate-sdk",
        "hypercorn",
        "openai-agents",
        **{"restate-server": _server_version()},
    )

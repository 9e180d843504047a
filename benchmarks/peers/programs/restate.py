"""Restate: its server, and a service with its Python SDK, served by Hypercorn."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import hypercorn.asyncio
import hypercorn.config
import restate

from benchmarks.peers import line, serving

_LONGEST = 120.0

runs = restate.Service("runs")


async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@runs.handler()
async def run(context: restate.Context, steps: int) -> None:
    """A run of so many steps."""
    for number in range(steps):
        await context.run_typed(f"step {number}", step)


@asynccontextmanager
async def served(app: object) -> AsyncIterator[str]:
    """Serve the endpoint, as the SDK's guide does."""
    port = serving.free_port()
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h2_max_concurrent_streams = 2147483647
    over = asyncio.Event()
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
            served(restate.app([runs])) as here,
            httpx.AsyncClient(timeout=_LONGEST) as client,
        ):
            (await client.post(f"{admin}/deployments", json={"uri": here})).raise_for_status()

            async def invoke(steps: int) -> None:
                answer = await client.post(f"{ingress}/runs/run", json=steps)
                answer.raise_for_status()

            yield line.durable(invoke)


def _server_version() -> str:
    package = Path(os.environ["PEER"]) / "node_modules/@restatedev/restate-server/package.json"
    version: str = json.loads(package.read_text())["version"]
    return version


if __name__ == "__main__":
    line.main(_opened, "restate-sdk", "hypercorn", **{"restate-server": _server_version()})

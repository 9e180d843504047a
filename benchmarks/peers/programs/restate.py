"""Restate: its server, and a service with its Python SDK, served by Hypercorn."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import hypercorn.asyncio
import hypercorn.config
import restate

from benchmarks.peers import line, mortal, serving

_LONGEST = 120.0

runs, mortals = restate.Service("runs"), restate.Service("mortals")


async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@runs.handler()
async def run(context: restate.Context, steps: int) -> None:
    """A run of so many steps."""
    for number in range(steps):
        await context.run_typed(f"step {number}", step)


@mortals.handler("run")
async def mortal_run(context: restate.Context, asked: list[str]) -> None:
    """A run whose process is killed."""
    for number in range(mortal.STEPS):
        await context.run_typed(f"step {number}", partial(mortal.step, *asked, number))


def _config(port: int) -> hypercorn.config.Config:
    """As the SDK's guide has it."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h2_max_concurrent_streams = 2147483647
    return config


@asynccontextmanager
async def served(app: object) -> AsyncIterator[str]:
    """Serve the endpoint in this process."""
    port, over = serving.free_port(), asyncio.Event()
    config = _config(port)
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

            async def post(url: str, what: Any) -> None:
                (await client.post(url, json=what)).raise_for_status()

            async def invoke(steps: int) -> None:
                await post(f"{ingress}/runs/run", steps)

            async def ask(name: str) -> None:
                await post(f"{ingress}/mortals/run", [str(folder), name])

            async def recover(size: int) -> float:
                """From `kill -9` until the answer of the run."""
                port = serving.free_port()
                command = [sys.executable, "-m", "benchmarks.peers.programs.restate", "work"]
                worker = [*command, str(port)]
                async with mortal.kept_up(worker, folder / "worker.log", os.environ):
                    await asyncio.to_thread(serving.wait_for, port)
                    where = {"uri": f"http://127.0.0.1:{port}", "force": True}
                    await post(f"{admin}/deployments", where)
                    return await mortal.recover(folder, ask)(size)

            await post(f"{admin}/deployments", {"uri": here})
            yield line.durable(invoke) | {"recover": recover}


def _server_version() -> str:
    package = Path(os.environ["PEER"]) / "node_modules/@restatedev/restate-server/package.json"
    version: str = json.loads(package.read_text())["version"]
    return version


if __name__ == "__main__" and "work" in sys.argv:
    asyncio.run(hypercorn.asyncio.serve(restate.app([mortals]), _config(int(sys.argv[-1]))))
elif __name__ == "__main__":
    line.main(_opened, "restate-sdk", "hypercorn", **{"restate-server": _server_version()})

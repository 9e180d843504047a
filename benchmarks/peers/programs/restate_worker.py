"""What of Restate is killed: a process with the service. It imports no more than it needs, as it is waited for."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

import hypercorn.asyncio
import hypercorn.config
import restate

from benchmarks.peers import mortal

mortals = restate.Service("mortals")


@mortals.handler("run")
async def mortal_run(context: restate.Context, asked: list[str]) -> None:
    """A run whose process is killed."""
    for number in range(mortal.STEPS):
        await context.run_typed(f"step {number}", partial(mortal.step, *asked, number))


def config(port: int) -> hypercorn.config.Config:
    """As the SDK's guide has it."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h2_max_concurrent_streams = 2147483647
    return config


if __name__ == "__main__":
    asyncio.run(hypercorn.asyncio.serve(restate.app([mortals]), config(int(sys.argv[-1]))))

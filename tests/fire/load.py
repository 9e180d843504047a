"""Chains of sends and asks through every kind of child, all of it `at_least_once`."""

from __future__ import annotations

import asyncio
from typing import Any

from civitas import Runtime
from tests.fire.harness import CAST, SURE, Fire, agent, processes, system, until

__all__ = ["chained", "chains", "everything_up"]

BOUND = 30.0
"""Seconds within which an ask is answered, whatever dies meanwhile."""
_PAUSE = 0.01


def chained(fire: Fire, **top: Any) -> dict[str, Any]:
    """root → relay (w2) → sink (w1), another sink in the root, replicas (w3) and a pool (w4)."""
    sure: dict[str, Any] = {**SURE, "ledger": str(fire.folder)}
    pool = {"name": "talks", "type": f"{CAST}.Sink", "process": "w4", **sure}
    return system(
        agent("sink", "Sink", "w1", **sure),
        agent("home", "Sink", **sure),
        agent("relay", "Relay", "w2", **sure),
        agent("copies", "Sink", "w3", replicas=2, **sure),
        {"conversation_pool": pool},
        **top,
    )


async def chains(fire: Fire, runtime: Runtime) -> None:
    """Send and ask until the time is over."""
    async with asyncio.TaskGroup() as group:
        for n, to in enumerate(["sink", "sink", "home", "copies", "talks"]):
            group.create_task(_through_the_relay(fire, runtime, f"r{n}", to))
        for n, to in enumerate(["sink", "copies", "talks"]):
            group.create_task(_straight(fire, runtime, f"s{n}", to))


async def everything_up(runtime: Runtime) -> bool:
    """Wait until every process is."""
    return await until(lambda: len(processes(runtime)) >= 5, 30)


async def _through_the_relay(fire: Fire, runtime: Runtime, name: str, to: str) -> None:
    """The conversation goes along, so that one of the replicas hears all of it, in order."""
    n = 0
    while fire.burns:
        for _ in range(3):
            payload = fire.message(name, n, to=to)
            await fire.send(runtime, "relay", payload, message_type="send", conversation=name)
            n += 1
        payload = fire.message(name, n, to=to)
        await fire.ask(
            runtime, "relay", payload, message_type="ask", conversation=name, bound=BOUND
        )
        n += 1
        await asyncio.sleep(_PAUSE)


async def _straight(fire: Fire, runtime: Runtime, name: str, to: str) -> None:
    n = 0
    while fire.burns:
        for _ in range(2):
            await fire.send(runtime, to, fire.message(name, n), conversation=name)
            n += 1
        await fire.ask(runtime, to, fire.message(name, n), conversation=name, bound=BOUND)
        n += 1
        await asyncio.sleep(_PAUSE)

"""A root with load, on whichever machine it is started: `python -m tests.faults.rooted TOPOLOGY SECONDS SEED`.

It sends and asks for so many seconds, waits for what was accepted, and prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from civitas import Runtime
from tests.faults.cast import overlaps
from tests.fire.harness import Fire, running

_PAUSE = 0.01
_BOUND = 60.0
"""Seconds within which an ask is told, whatever happens meanwhile: no fault is that long."""
_EXPECTED = ("node_down", "terminated", "expired")


async def straight(fire: Fire, runtime: Runtime, name: str, to: str) -> None:
    """Two sends and an ask, again and again."""
    n = 0
    while fire.burns:
        for _ in range(2):
            await fire.send(runtime, to, fire.message(name, n))
            n += 1
        await fire.ask(runtime, to, fire.message(name, n), bound=_BOUND)
        n += 1
        await asyncio.sleep(_PAUSE)


async def through(fire: Fire, runtime: Runtime, name: str, relay: str, to: str) -> None:
    """The same by way of an agent that sends it on, or asks it on."""
    n = 0
    while fire.burns:
        for _ in range(2):
            await fire.send(runtime, relay, fire.message(name, n, to=to), message_type="send")
            n += 1
        payload = fire.message(name, n, to=to)
        await fire.ask(runtime, relay, payload, message_type="ask", bound=_BOUND)
        n += 1
        await asyncio.sleep(_PAUSE)


async def run(config: dict[str, Any], folder: Path, seconds: float, seed: int) -> dict[str, object]:
    """Everything."""
    fire = Fire("faults", seconds, seed, folder)
    events: Counter[str] = Counter()
    async with running(fire, config, expected=_EXPECTED) as runtime:
        for type in ("node_down", "crashed", "restarted"):
            runtime.on(type, lambda event: events.update([event.type]))
        print("burns", flush=True)
        async with asyncio.TaskGroup() as group:
            for to in ("home", "near", "far"):
                group.create_task(straight(fire, runtime, f"s-{to}", to))
            for relay, to in (("near-relay", "far"), ("far-relay", "near"), ("far-relay", "home")):
                group.create_task(through(fire, runtime, f"t-{relay}-{to}", relay, to))
        await fire.settled()
    fire.add_up()
    found = overlaps(list(fire.ledger.lines("moments")))
    return asdict(fire.row) | {"events": dict(events), "overlaps": found}


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    topology, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    config = json.loads(topology.read_text())
    began = time.monotonic()
    row = asyncio.run(run(config, topology.parent, seconds, seed))
    print(json.dumps(row | {"took": round(time.monotonic() - began, 1)}), flush=True)


if __name__ == "__main__":
    main()

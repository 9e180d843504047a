"""Askers on one machine, until a file is there: `python -m tests.faults.askers TOPOLOGY AGENT…`. Prints what failed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from civitas.cli.reaching import running_system


async def ask_on(topology: Path, who: str, failed: list[str], stop: Path) -> int:
    """Ask again and again; returns how often."""
    asked = 0
    while not stop.exists():  # noqa: ASYNC240
        asked += 1
        try:
            async with running_system(topology) as system:
                agent, _, conversation = who.partition("/")
                await system.request(
                    "ask", to=agent, payload=who, conversation=conversation, timeout=40
                )
        except Exception as error:
            failed.append(f"{who}: {error!r}")
    return asked


async def main() -> None:
    """Ask each agent in two conversations."""
    topology, *agents = sys.argv[1:]
    failed: list[str] = []
    stop = Path(topology).with_name("stop")
    askers = [f"{agent}/{n}" for agent in agents for n in range(2)]
    asking = (ask_on(Path(topology), who, failed, stop) for who in askers)
    print(json.dumps({"asked": await asyncio.gather(*asking), "failed": failed}))


if __name__ == "__main__":
    asyncio.run(main())

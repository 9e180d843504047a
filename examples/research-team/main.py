"""Asks the team a question, and kills the researcher's process again and again while it works."""

import asyncio
import os
import random
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from model import say
from shelf import fetched, served

from civitas import Runtime
from civitas.testing import scripted_openai

KILLS = 3
QUESTION = "How do otters sleep?"


def researcher(runtime: Runtime) -> dict[str, Any]:
    children: list[dict[str, Any]] = runtime.tree()["children"]
    return next(child for child in children if child["name"] == "researcher")


async def kill_now_and_then(runtime: Runtime) -> None:
    for _ in range(KILLS):
        while researcher(runtime)["status"] != "running":
            await asyncio.sleep(0.01)
        await asyncio.sleep(random.uniform(0.05, 0.25))
        if pid := researcher(runtime)["pid"]:
            print(f"killed process {pid}")
            os.kill(pid, signal.SIGKILL)
            while researcher(runtime)["pid"] == pid:
                await asyncio.sleep(0.01)


async def main() -> None:
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        killer = asyncio.create_task(kill_now_and_then(runtime))
        reply = await runtime.ask("editor", {"question": QUESTION}, timeout=120)
        killer.cancel()
    print(reply.payload["answer"])
    for source, times in sorted(fetched.items()):
        print(f"{source}: fetched {times} time(s)")


if __name__ == "__main__":
    with scripted_openai(say), served() as url, TemporaryDirectory() as folder:
        os.environ.update(SHELF=url, DATA=folder)
        asyncio.run(main())

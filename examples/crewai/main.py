"""Asks the crew for a description."""

import asyncio
from pathlib import Path

from civitas import Runtime


async def main() -> None:
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        inputs = {"product": "a kettle", "facts": "1.7 litres, steel, switches itself off"}
        reply = await runtime.ask("copy", inputs, timeout=120)
        for task in reply.payload["tasks"]:
            print(f"{task['name']}: {task['raw']}")


asyncio.run(main())

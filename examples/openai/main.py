"""Asks the agent about an order."""

import asyncio
from pathlib import Path

from civitas import Runtime


async def main() -> None:
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        reply = await runtime.ask("clerk", {"input": "Where is order 1002?"}, timeout=60)
        print(reply.payload["output"])


asyncio.run(main())

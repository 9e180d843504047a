"""Books a trip with two desks, ends the program, and goes on with the desk that it was at."""

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from model import say

from civitas import Runtime
from civitas.testing import scripted_openai


async def tell(text: str) -> None:
    """Start the system, say something in the conversation, and end the system."""
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        reply = await runtime.ask("travel", {"input": text}, conversation="ada", timeout=120)
        print(f"{reply.payload['active_agent']}: {reply.payload['messages'][-1]['content']}")


async def main() -> None:
    await tell("A flight and a hotel in Bergen, please.")
    await tell("Who am I talking to?")


if __name__ == "__main__":
    with scripted_openai(say), TemporaryDirectory() as folder:
        os.environ["DATA"] = folder
        asyncio.run(main())

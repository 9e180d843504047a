"""Asks the graph about two tickets, and shows what a wrong payload gets."""

import asyncio
from pathlib import Path

from civitas import HandlerFailed, Runtime


async def main() -> None:
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        for text in ("My invoice is wrong", "The app is slow"):
            ticket = await runtime.ask("tickets", {"text": text})
            print(f"{text}: {ticket.payload['queue']}")
        try:
            await runtime.ask("tickets", {"txt": "My invoice is wrong"})
        except HandlerFailed as error:
            print(error.error_message)


asyncio.run(main())

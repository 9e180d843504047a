"""Tells the cook something, ends the program, and asks in another conversation, and as another user."""

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from model import say

from civitas import Runtime
from civitas.testing import scripted_openai


async def tell(user: str, text: str, conversation: str) -> None:
    """Start the system, say something, and end the system."""
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        reply = await runtime.ask(
            "cook",
            {"input": text},
            conversation=conversation,
            headers={"user": user},
            timeout=120,
        )
        print(f"{user}: {text}\ncook: {reply.payload['messages'][-1]['content']}")


async def main() -> None:
    await tell("ada", "I do not eat fish.", "ada-monday")
    await tell("ada", "What is for dinner?", "ada-tuesday")
    await tell("bob", "What is for dinner?", "bob-tuesday")


if __name__ == "__main__":
    with scripted_openai(say), TemporaryDirectory() as folder:
        os.environ["DATA"] = folder
        asyncio.run(main())

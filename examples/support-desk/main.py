"""A hundred users ask at once, and the model goes away while they wait."""

import asyncio
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from model import say

from civitas import Runtime
from civitas.testing import ModelServer, scripted_openai

USERS = 100


async def ask(runtime: Runtime, user: int) -> tuple[str, float]:
    began = time.perf_counter()
    question = {"input": f"Where is order {1001 + user % 3}?"}
    reply = await runtime.ask("desk", question, conversation=f"user-{user}", timeout=120)
    return reply.payload["output"], time.perf_counter() - began


async def outage(runtime: Runtime, model: ModelServer, users: list[asyncio.Task[Any]]) -> None:
    """Let the model be away until everybody who still has no answer has been seen to wait for a retry."""
    while model.count < USERS / 2:  # they are in the middle of it
        await asyncio.sleep(0.01)
    with model.away():
        waiting: set[str] = set()
        # Counted anew each time: the answer of some was on its way already.
        while len(waiting) < sum(not user.done() for user in users):
            await asyncio.sleep(0.1)
            now = await runtime.overview("desk")
            waiting |= {
                each["name"]
                for each in now["agents"]
                if each["handling"] and each["handling"]["retry_at"]
            }
    print(f"{len(waiting)} users met the outage, and each waited for a retry of their own")


async def main(model: ModelServer | None) -> None:
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")) as runtime:
        users = [asyncio.create_task(ask(runtime, user)) for user in range(USERS)]
        if model is not None:
            await outage(runtime, model, users)
        answers = await asyncio.gather(*users)
    from desk import tickets  # not at the top: its client of the model looks at the environment

    for text in sorted({text for text, _ in answers}):
        print(f"{sum(text == each for each, _ in answers)} users: {text}")
    print(f"{len(tickets)} tickets were opened")
    print(f"the slowest answer took {max(seconds for _, seconds in answers):.1f} s")


if __name__ == "__main__":
    with scripted_openai(say) as scripted, TemporaryDirectory() as folder:
        os.environ["DATA"] = folder
        asyncio.run(main(scripted))

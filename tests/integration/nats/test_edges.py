"""The HTTP edges of two roots on a real server, one of which leads, while the lead passes to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from civitas import AgentProcess, Message, Runtime
from tests.core.edge.poets import PLAIN
from tests.integration.nats.conftest import with_jetstream
from tests.nats_server import NatsServer


@pytest.fixture
def jetstream(tmp_path: Path) -> Iterator[NatsServer]:
    server = with_jetstream(tmp_path).start()
    yield server
    server.close()


class Waiter(AgentProcess):
    """Begins its first step in one root, and ends when it is told to."""

    began: asyncio.Event
    enough: asyncio.Event
    steps: list[str]

    async def handle(self, message: Message) -> Message:
        done = []
        while not self.enough.is_set():
            done.append(await self.step(f"step {len(done)}", self.walk, message.payload))
        return self.reply("done")

    async def walk(self, who: str) -> str:
        self.steps.append(who)
        if set(self.steps) == {"one", "two", "stream"}:
            self.began.set()
        await asyncio.sleep(0.01)
        return who


def config(server: NatsServer) -> dict[str, Any]:
    return {
        "name": "edges",
        "transport": {"type": "nats", "servers": [server.url]},
        "state": {"type": "nats_kv", "bucket": "state"},
        "edge": {"http": {"port": 0}},
        "supervision": {
            "children": [
                {"conversation_pool": {"name": "waiter", "type": "Waiter", "delivery": "durable"}}
            ]
        },
    }


@pytest.mark.promise(id="SEM-1815")
async def test_callers_of_either_edge_are_answered_while_the_lead_passes_from_one_to_the_other(
    jetstream: NatsServer,
) -> None:
    Waiter.began, Waiter.enough, Waiter.steps = asyncio.Event(), asyncio.Event(), []
    first, second = (Runtime.from_config(config(jetstream), {"Waiter": Waiter}) for _ in range(2))
    await first.start()
    at = asyncio.get_running_loop().create_future()

    def waiting(text: str) -> None:
        if "http" in text:
            at.set_result(text.rpartition(" ")[2])

    starting = asyncio.create_task(second.start(waiting=waiting))
    urls = [first.edge_url, await at]
    async with httpx.AsyncClient(verify=PLAIN, timeout=40) as client:

        async def ask(url: str | None, who: str, what: str = "ask") -> httpx.Response:
            body = {"payload": who, "conversation": who, "timeout": 30}
            return await client.post(f"{url}/agents/waiter/{what}", json=body)

        assert (await client.get(f"{urls[1]}/readyz")).json() == {"status": "stands by"}
        asking = [
            asyncio.create_task(ask(urls[0], "one")),
            asyncio.create_task(ask(urls[1], "two")),
            asyncio.create_task(ask(urls[1], "stream", "stream")),
        ]
        await Waiter.began.wait()
        stopping = asyncio.create_task(first.stop())
        while first._life.root is not None:
            await asyncio.sleep(0)
        late = asyncio.create_task(ask(urls[1], "late"))
        await starting
        assert second.edge_url == urls[1]
        Waiter.enough.set()
        *answers, told = await asyncio.gather(*asking[:2], late, asking[2])
        assert [each.json()["payload"] for each in answers] == ["done"] * 3
        assert "event: reply" in told.text
        await stopping
        assert (await client.get(f"{urls[1]}/readyz")).json() == {"status": "ready"}
    await second.stop()

"""Those who ask from outside while the lead passes from one root to another, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from civitas import AgentProcess, Message, Runtime
from civitas.control.operations import Operations
from civitas.control.remote import RemoteClient
from civitas.plugins import PluginManager
from civitas.topology import Links, load
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


@asynccontextmanager
async def two_roots(
    server: NatsServer,
) -> AsyncIterator[tuple[Runtime, Runtime, str, Awaitable[None]]]:
    """The one that leads, the one that waits, where that is reached, and what is done once that leads."""
    Waiter.began, Waiter.enough, Waiter.steps = asyncio.Event(), asyncio.Event(), []
    first, second = (Runtime.from_config(config(server), {"Waiter": Waiter}) for _ in range(2))
    url = asyncio.get_running_loop().create_future()

    def waiting(text: str) -> None:
        if "http" in text:
            url.set_result(text.rpartition(" ")[2])

    await first.start()
    starting = asyncio.create_task(second.start(waiting=waiting))
    try:
        yield first, second, await url, starting
    finally:
        Waiter.enough.set()  # a stop waits for the steps that are under way
        starting.cancel()
        await asyncio.wait({starting})
        await first.stop()
        await second.stop()


async def all_have_begun(asking: list[asyncio.Task[Any]]) -> None:
    """Wait until the first step of each has begun; what ends before that says why."""
    began = asyncio.create_task(Waiter.began.wait())
    done, _ = await asyncio.wait({began, *asking}, return_when=asyncio.FIRST_COMPLETED)
    if began not in done:
        for each in (began, *asking):
            each.cancel()
        raise AssertionError([each.exception() or each.result() for each in done])


@pytest.mark.promise(id="SEM-1815")
async def test_callers_of_either_edge_are_answered_while_the_lead_passes_from_one_to_the_other(
    jetstream: NatsServer,
) -> None:
    async with (
        two_roots(jetstream) as (first, second, at, starting),
        httpx.AsyncClient(verify=PLAIN, timeout=40) as client,
    ):

        async def ask(url: str | None, who: str, what: str = "ask") -> httpx.Response:
            body = {"payload": who, "conversation": who, "timeout": 30}
            return await client.post(f"{url}/agents/waiter/{what}", json=body)

        assert (await client.get(f"{at}/readyz")).json() == {"status": "stands by"}
        asking = [
            asyncio.create_task(ask(first.edge_url, "one")),
            asyncio.create_task(ask(at, "two")),
            asyncio.create_task(ask(at, "stream", "stream")),
        ]
        await all_have_begun(asking)
        stopping = asyncio.create_task(first.stop())
        while first._life.root is not None:
            await asyncio.sleep(0)
        late = asyncio.create_task(ask(at, "late"))
        await starting
        assert second.edge_url == at
        Waiter.enough.set()
        *answers, told = await asyncio.gather(*asking[:2], late, asking[2])
        assert [each.json()["payload"] for each in answers] == ["done"] * 3
        assert "event: reply" in told.text
        await stopping
        assert (await client.get(f"{at}/readyz")).json() == {"status": "ready"}


@pytest.mark.promise(id="SEM-1817")
async def test_whoever_asks_from_another_machine_gets_the_answer_of_the_root_that_leads_next(
    jetstream: NatsServer,
) -> None:
    links = Links(load(config(jetstream)), PluginManager())
    async with two_roots(jetstream) as (first, second, _, starting):
        first._node.guests.answers = Operations(first).answer  # type: ignore[attr-defined]
        async with RemoteClient("edges", links) as client:
            asking = [
                asyncio.create_task(
                    client.request("ask", to="waiter", payload=who, conversation=who, timeout=30)
                )
                for who in ("one", "two", "stream")
            ]
            await all_have_begun(asking)
            await first.stop()
            await starting
            second._node.guests.answers = Operations(second).answer  # type: ignore[attr-defined]
            Waiter.enough.set()
            assert [each["payload"] for each in await asyncio.gather(*asking)] == ["done"] * 3

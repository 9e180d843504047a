"""Several processes behind one name over NATS: conversations move when one is killed, and none is a consumer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import nats
import pytest

from civitas import Runtime
from tests.integration.nats.conftest import over_nats
from tests.integration.processes.load import assert_each_came_in_order
from tests.integration.processes.system import agent, killed, look, running
from tests.nats_server import NatsServer

CONVERSATIONS = 200


async def consumers(server: NatsServer) -> int:
    """How many there are on the server."""
    client = await nats.connect(server.url)
    try:
        stream = client.jetstream()
        return sum(each.state.consumer_count for each in await stream.streams_info())
    finally:
        await client.close()


@pytest.mark.promise(id="SEM-1548")
async def test_conversations_move_with_their_messages_and_no_conversation_is_a_consumer(
    tmp_path: Path,
) -> None:
    folder, heard = tmp_path / "server", tmp_path / "heard"
    folder.mkdir()
    server = NatsServer(folder, f"jetstream {{store_dir: {json.dumps(str(folder))}}}").start()
    options = {"file": str(heard), "replicas": 2, "delivery": "at_least_once"}
    crew = agent("crew", "w", "Writer", **options)["agent"]
    config = over_nats(server, {"conversation_pool": {**crew, "max_deliveries": 100}})
    names = [f"c{n}" for n in range(CONVERSATIONS)]

    async def talk(name: str, first: int) -> None:
        for n in range(first, first + 3):
            payload = {"from": name, "n": n}
            await runtime.send("crew", payload, conversation=name, timeout=60)
        await runtime.ask("crew", {"from": name, "n": first + 3}, conversation=name, timeout=60)

    try:
        async with Runtime.from_config(config) as runtime:
            await asyncio.gather(*(talk(name, 0) for name in names))
            assert await consumers(server) <= 3  # the name, and its replicas
            talking = asyncio.gather(*(talk(name, 4) for name in names))
            await killed(runtime, "crew-1")
            await talking
            assert await consumers(server) <= 3
            await running(runtime)
            assert [each["name"] for each in look(runtime, "crew")["children"]] == [
                "crew-1",
                "crew-2",
            ]
    finally:
        server.close()
    assert_each_came_in_order(heard, dict.fromkeys(names, 8))

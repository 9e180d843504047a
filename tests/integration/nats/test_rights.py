"""The rights that the page on operations names are those that a system takes."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import nats
import pytest
from synadia_ai.agents import Agents, Query, ResponseChunk

from civitas import HandlerFailed, Runtime
from tests.house.project import ROOT
from tests.integration.nats.conftest import over_nats, traveller
from tests.nats_server import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE = (ROOT / "docs" / "guides" / "nats-operations.md").read_text()


def rights(*rows):
    """Those of some rows, as a server takes them; the rows count from 1."""
    table = PAGE.partition("| what for | publish | subscribe |\n")[2].partition("\n\n")[0]
    cells = [table.splitlines()[row].split(" | ") for row in rows]
    publish, subscribe = (
        sorted(
            {
                each
                for row in cells
                for each in re.findall(r"`([^` ]+)`", row[column])
                if "." in each
            }
        )
        for column in (1, 2)
    )
    allowed = f"publish: {json.dumps(publish)}, subscribe: {json.dumps(subscribe)}"
    return f"permissions: {{ {allowed} }}"


SYSTEM = (1, 2, 3, 4)
"""The rows of a system with JetStream that is shown by the tools of NATS."""
EXPOSED, CALLER = 5, 6


@pytest.fixture
def server_for(tmp_path):
    """Starts a server with these users, who have what some rows allow; nobody was denied anything at the end."""
    servers = []

    def start(**users):
        listed = ", ".join(
            f"{{ user: {name}, password: pw, {rights(*rows)} }}" for name, rows in users.items()
        )
        config = (
            f'jetstream {{ store_dir: "{tmp_path}/js" }}\nauthorization {{ users: [ {listed} ] }}'
        )
        servers.append(NatsServer(tmp_path, config).start())
        return servers[0]

    yield start
    for each in servers:
        each.close()
    log = (tmp_path / "nats.log").read_text()
    assert [line for line in log.splitlines() if "Violation" in line] == []


LOGIN = {"user": "system", "password": "pw"}


@pytest.mark.promise(id="SEM-1521")
async def test_a_system_with_jetstream_needs_the_rights_that_are_named(server_for):
    assert "$JS.API.>" in rights(*SYSTEM)
    config = over_nats(
        server_for(system=SYSTEM),
        traveller("sure", "worker", delivery="at_least_once", max_deliveries=2),
        **LOGIN,
    ) | {"name": "research-team", "state": {"type": "nats_kv", "bucket": "state"}}
    async with Runtime.from_config(config) as system:
        assert (await system.ask("sure", [1], "echo")).payload == [1]
        assert (await system.ask("sure", None, "die once", timeout=20)).payload == 1
        with pytest.raises(HandlerFailed):
            await system.ask("sure", "no", "crash", timeout=20)
        assert (await system.ask("sure", [2], "echo")).payload == [2]
        node: Any = system._node
        assert await node.store.keys("") == []
        box = node.mailboxes._durable.burying.box
        async with asyncio.timeout(10):
            while not [each async for each in box.all("sure", "max_deliveries")]:
                await asyncio.sleep(0.05)


@pytest.mark.promise(id="SEM-1521")
async def test_exposed_agents_and_those_who_prompt_them_need_the_rights_that_are_named(server_for):
    server = server_for(system=(*SYSTEM, EXPOSED), caller=(CALLER,))
    entry = {"name": "here", "type": "tests.integration.nats.cast:Speaker", "expose": True}
    config = over_nats(server, {"agent": {**entry, "delivery": "at_least_once"}}, **LOGIN)
    async with Runtime.from_config(config | {"name": "research-team"}):
        client = await nats.connect(server.url, user="caller", password="pw")
        agents = Agents(nc=client)
        try:
            [agent] = await agents.discover(stall=0.1)
            parts = [part async for part in agent.prompt("hello")]
            assert [part.text for part in parts if isinstance(part, ResponseChunk)] == [
                "here: hello"
            ]
            async for part in agent.prompt("approve"):
                if isinstance(part, Query):
                    await part.reply("yes")
                    break
        finally:
            await agents.close()
            await client.close()

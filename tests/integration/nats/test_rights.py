"""The rights that the page on operations names are those that a system takes."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from civitas import HandlerFailed, Runtime
from tests.house.project import ROOT
from tests.integration.nats.conftest import over_nats, traveller
from tests.nats_server import NatsServer

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE = (ROOT / "docs" / "guides" / "nats-operations.md").read_text()


def rights():
    """Those of the rows that concern a system with JetStream, by what they allow."""
    table = PAGE.partition("| what for | publish | subscribe |\n")[2].partition("\n\n")[0]
    rows = [row.split(" | ") for row in table.splitlines()[1:5]]
    return [
        sorted(
            {each for row in rows for each in re.findall(r"`([^` ]+)`", row[column]) if "." in each}
        )
        for column in (1, 2)
    ]


@pytest.mark.promise(id="SEM-1521")
async def test_a_system_with_jetstream_needs_the_rights_that_are_named(tmp_path):
    publish, subscribe = rights()
    assert "$JS.API.>" in publish
    allowed = (
        f"permissions: {{ publish: {json.dumps(publish)}, subscribe: {json.dumps(subscribe)} }}"
    )
    server = NatsServer(
        tmp_path,
        f'jetstream {{ store_dir: "{tmp_path}/js" }}\n'
        f"authorization {{ users: [ {{ user: system, password: pw, {allowed} }} ] }}",
    ).start()
    login = {"user": "system", "password": "pw"}
    config = over_nats(
        server,
        traveller("sure", "worker", delivery="at_least_once", max_deliveries=2),
        **login,
    ) | {"name": "research-team", "state": {"type": "nats_kv", "bucket": "state"}}
    try:
        async with Runtime.from_config(config) as system:
            assert (await system.ask("sure", [1], "echo")).payload == [1]
            assert (await system.ask("sure", None, "die once", timeout=20)).payload == 1
            with pytest.raises(HandlerFailed):
                await system.ask("sure", "no", "crash", timeout=20)
            assert (await system.ask("sure", [2], "echo")).payload == [2]
            node: Any = system._node
            assert await node.store.keys("") == []
            box = node.mailboxes._durable._burying._box
            async with asyncio.timeout(10):
                while not [each async for each in box.all("sure", "max_deliveries")]:
                    await asyncio.sleep(0.05)
        log = (tmp_path / "nats.log").read_text()
        assert [line for line in log.splitlines() if "Violation" in line] == []
    finally:
        server.close()

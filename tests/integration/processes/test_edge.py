"""The HTTP edge, while the process of an agent behind it is killed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest
from httpx import AsyncClient

from civitas import Runtime
from civitas.edge.http import HttpEdge
from tests.integration.processes.system import kill, topology, until

TELLER = {
    "name": "teller",
    "type": "tests.integration.processes.edge_cast.Teller",
    "process": "w",
    "delivery": "at_least_once",
}


@pytest.mark.promise(id="SEM-1736")
@pytest.mark.promise(id="SEM-1737")
@pytest.mark.timeout(60)
async def test_a_stream_is_rejoined_after_the_process_of_its_agent_was_killed():
    config = topology({"agent": TELLER}) | {"edge": {"http": {"port": 0}}}
    async with Runtime.from_config(config) as runtime:
        (edge,) = runtime._life.edges
        assert isinstance(edge, HttpEdge)
        async with AsyncClient(base_url=edge.url, timeout=30) as client:
            body = {"payload": None, "run": "r"}
            async with (
                client.stream("POST", "/agents/teller/stream", json=body) as response,
                aclosing(cast("AsyncGenerator[str, None]", response.aiter_lines())) as lines,
            ):
                assert [await anext(lines) for _ in range(3)] == [
                    "id: 1",
                    "event: token",
                    'data: {"text": "try 0"}',
                ]
            kill(runtime, "teller")
            await until(lambda: runtime.tree()["children"][0]["status"] != "running")
            missing = await client.get("/readyz")
            assert (missing.status_code, missing.json()["why"]) == (503, "'teller' is restarting")
            rejoined = await client.get("/runs/r/events", headers={"last-event-id": "1"})
            assert (await client.get("/readyz")).status_code == 200
    events = rejoined.text.split("\n\n")
    assert events[0].splitlines() == ["id: 2", "event: token", 'data: {"text": "try 1"}']
    assert events[1].splitlines()[:2] == ["id: 3", "event: reply"]

"""Durable runs whose state is in a bucket of a NATS server, in OS processes that are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civitas import Runtime
from tests.integration.adapters.points import Points, system
from tests.integration.adapters.test_crewai import CREW, crew
from tests.integration.adapters.test_crewai import POINTS as CREW_POINTS
from tests.integration.adapters.test_langgraph import graph
from tests.integration.adapters.test_openai import POINTS as SDK_POINTS
from tests.integration.adapters.test_openai import sdk_agent
from tests.integration.processes.system import until
from tests.nats_server import NatsServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    folder = tmp_path / "nats"
    folder.mkdir()
    server = NatsServer(folder, f'jetstream: {{store_dir: "{folder}/js"}}').start()
    yield server
    server.close()


def on_nats(server: NatsServer, bucket: str, config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "state": {"type": "nats_kv", "servers": server.url, "bucket": bucket}}


@pytest.mark.promise(id="SEM-1442")
async def test_a_durable_graph_goes_on_after_kill_9_of_its_process_and_of_the_server(
    tmp_path: Path, server: NatsServer
) -> None:
    points = Points(tmp_path)
    points.hold("two")
    config = on_nats(server, "graph", system(tmp_path, graph("three", durable=True)))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("g", {"got": []}, timeout=60))
        await until(lambda: "two" in points.passed, 30)
        server.kill()
        killing = asyncio.create_task(points.kill_at(runtime, "g", "two"))
        server.start()
        await killing
        reply = await asking
    names = ["one", "two", "three"]
    assert reply.payload["got"] == names
    names.insert(names.index("two"), "two")
    assert points.passed == names


@pytest.mark.promise(id="SEM-1464")
async def test_the_stream_of_a_durable_graph_goes_on_over_kept_messages_and_repeats_nothing(
    tmp_path: Path, server: NatsServer
) -> None:
    points = Points(tmp_path)
    points.hold("two")
    config = on_nats(server, "stream", system(tmp_path, graph("three", durable=True)))
    config["transport"] = {"type": "nats", "servers": [server.url]}
    async with Runtime.from_config(config) as runtime:
        steps = [("step", {"name": name}) for name in ("one", "two", "three")]
        chunks = []
        async for each in runtime.stream("g", {"got": []}, timeout=60):
            chunks.append((each.type, each.payload))
            if chunks[-1] == steps[1]:  # what is on its way at the kill may be lost
                killing = asyncio.create_task(points.kill_at(runtime, "g", "two"))
        await killing
    assert chunks == [*steps, ("reply", {"got": ["one", "two", "three"]})]
    assert points.passed == ["one", "two", "two", "three"]


@pytest.mark.promise(id="SEM-1442")
async def test_a_durable_sdk_agent_goes_on_after_kill_9(tmp_path: Path, server: NatsServer) -> None:
    points = Points(tmp_path)
    points.hold("inner-1")
    config = on_nats(server, "sdk", system(tmp_path, sdk_agent("clerk", durable=True)))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("o", {"input": "hi"}, timeout=60))
        await points.kill_at(runtime, "o", "inner-1")
        reply = await asking
    assert reply.payload == {"output": "found noted"}
    expected = list(SDK_POINTS)
    expected.insert(expected.index("inner-1"), "inner-1")
    assert points.passed == expected


@pytest.mark.slow
@pytest.mark.deep  # the import of CrewAI, twice
@pytest.mark.skipif(not CREW.is_dir(), reason="needs the environment with CrewAI")
@pytest.mark.promise(id="SEM-1442")
async def test_a_durable_crew_goes_on_after_kill_9(tmp_path: Path, server: NatsServer) -> None:
    points = Points(tmp_path)
    points.hold("find-1")
    config = on_nats(server, "crew", crew(tmp_path, "two_tasks", durable=True))
    async with Runtime.from_config(config) as runtime:
        asking = asyncio.create_task(runtime.ask("c", {}, timeout=80))
        await points.kill_at(runtime, "c", "find-1")
        reply = await asking
    assert [each["raw"] for each in reply.payload["tasks"]] == ["found noted", "write done"]
    expected = list(CREW_POINTS)
    expected.insert(expected.index("find-1"), "find-1")
    assert points.passed == expected

"""Several processes behind one name over NATS: conversations move when one is killed, and none is a consumer."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio

from civitas import HandlerFailed, Runtime
from tests.integration.nats.conftest import over_nats, traveller
from tests.integration.nats.roots import Root
from tests.integration.processes.load import assert_each_came_in_order
from tests.integration.processes.system import agent, killed, lines, look, running, until
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


@pytest_asyncio.fixture
async def kept_by(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server of its own that keeps messages."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = NatsServer(folder, f"jetstream {{store_dir: {json.dumps(str(folder))}}}").start()
    yield server
    server.close()


@pytest.mark.promise(id="SEM-1548")
async def test_conversations_move_with_their_messages_and_no_conversation_is_a_consumer(
    kept_by: NatsServer, tmp_path: Path
) -> None:
    server, heard = kept_by, tmp_path / "heard"
    options = {"file": str(heard), "replicas": 2, "delivery": "at_least_once"}
    crew = agent("crew", "w", "Writer", **options)["agent"]
    config = over_nats(server, {"conversation_pool": {**crew, "max_deliveries": 100}})
    names = [f"c{n}" for n in range(CONVERSATIONS)]

    async def talk(name: str, first: int) -> None:
        for n in range(first, first + 3):
            payload = {"from": name, "n": n}
            await runtime.send("crew", payload, conversation=name, timeout=60)
        await runtime.ask("crew", {"from": name, "n": first + 3}, conversation=name, timeout=60)

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
    assert_each_came_in_order(heard, dict.fromkeys(names, 8))


def scribes(file: Path, kind: str, **keywords: Any) -> dict[str, Any]:
    entry = {"name": "crew", "type": "tests.integration.nats.cast:Scribe", "process": "w"}
    kept = {"file": str(file), "replicas": 2, "delivery": "at_least_once"}
    return {kind: {**entry, **kept, **keywords}}


@pytest.mark.promise(id="SEM-1537")
async def test_what_replicas_were_sent_outlives_the_root_and_all_processes(
    kept_by: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "written"
    config = over_nats(kept_by, scribes(file, "conversation_pool"), prefix="outlives")
    root = await Root(tmp_path / "root", config).start()
    try:
        await root.says(" ready ")
        for payload in ("wait", 1, 2, 3):
            said = ("send", "topology.yaml", "crew", json.dumps(payload), "--conversation", "c")
            await root.civitas(*said)
        await until(lambda: lines(file))
        root.signal(signal.SIGKILL)
        await root.ended()
    finally:
        await root.close()
    file.write_text("")
    again = scribes(file, "conversation_pool", waits=False)
    config = over_nats(kept_by, again, prefix="outlives")
    async with Runtime.from_config(config):
        await until(lambda: len(lines(file)) == 4)
    assert [line.split()[0] for line in lines(file)] == ["wait", "1", "2", "3"]


@pytest.mark.promise(id="SEM-1537")
async def test_what_stood_before_replicas_when_the_system_stopped_is_handled_by_the_next(
    kept_by: NatsServer, tmp_path: Path
) -> None:
    file = tmp_path / "written"
    config = over_nats(kept_by, scribes(file, "agent", shutdown_timeout=0), prefix="stopped")
    config["runtime"] = {"drain_timeout": 0.1}
    async with Runtime.from_config(config) as runtime:
        for payload in ("wait", 1, 2):
            await runtime.send("crew", payload, conversation="c")
        await until(lambda: lines(file))
    assert lines(file) == ["wait 0"]
    file.write_text("")
    config = over_nats(kept_by, scribes(file, "agent", waits=False), prefix="stopped")
    async with Runtime.from_config(config):
        await until(lambda: len(lines(file)) == 3)
    assert [line.split()[0] for line in lines(file)] == ["wait", "1", "2"]


@pytest.mark.promise(id="SEM-1472")
async def test_the_server_keeps_what_replicas_are_sent_before_one_of_them_has_started(
    kept_by: NatsServer, tmp_path: Path
) -> None:
    kept, file = tmp_path / "kept", tmp_path / "written"
    early = traveller("early", to="crew", server=kept_by.url, file=str(kept))
    early["agent"]["type"] = "tests.integration.nats.cast:Early"
    config = over_nats(kept_by, early, scribes(file, "agent"), prefix="early")
    async with Runtime.from_config(config):
        await until(lambda: lines(file) == ["early 0"])
    assert lines(kept) == ["1"]


@pytest.mark.promise(id="SEM-1537")
async def test_an_ask_and_a_stream_of_a_replica_are_answered_through_its_mailbox(
    kept_by: NatsServer, tmp_path: Path
) -> None:
    crew = traveller("crew", "w", replicas=2, delivery="at_least_once")
    config = over_nats(kept_by, crew, traveller("there", "v"), traveller("here"), prefix="asked")
    async with Runtime.from_config(config) as runtime:
        for asker in ("here", "there"):
            order = {"to": "crew", "type": "echo", "payload": [1, "ä"]}
            assert (await runtime.ask(asker, order, "ask")).payload == [1, "ä"]
        pids = {(await runtime.ask("crew", None, "pid")).payload for _ in range(4)}
        assert len(pids) == 2
        async with aclosing(runtime.stream("crew", 250, "count")) as stream:
            assert [message.payload async for message in stream] == [*range(250), "told"]
        with pytest.raises(HandlerFailed, match="boom"):
            await runtime.ask("crew", "boom", "crash")
        assert await consumers(kept_by) >= 1


@pytest.mark.promise(id="SEM-1527")
async def test_a_dead_letter_of_a_replica_is_at_the_server_when_the_system_has_stopped(
    kept_by: NatsServer, tmp_path: Path
) -> None:
    crew = traveller("crew", "w", replicas=2, delivery="at_least_once", max_deliveries=1)
    config = over_nats(kept_by, crew, prefix="dead")
    async with Runtime.from_config(config) as runtime:
        with pytest.raises(HandlerFailed, match="boom"):
            await runtime.ask("crew", "boom", "crash")
    async with Runtime.from_config(config) as runtime:
        found = [(each.agent, each.payload) for each in await runtime.dead_letters(payload=True)]
        assert found == [("crew", "boom")]
    client = await nats.connect(kept_by.url)
    streams = await client.jetstream().streams_info()
    await client.close()
    assert [each.state.messages for each in streams if "mailboxes" in str(each.config.name)] == [0]

"""A system whose OS processes share nothing but a NATS server."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from contextlib import aclosing

import pytest

from civitas import ConfigurationError, Runtime
from tests.integration.nats.conftest import elsewhere, over_nats, traveller
from tests.integration.processes.system import (
    Events,
    agent,
    agents_of,
    lines,
    look,
    pid_of,
    running,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTES = [("here", "there"), ("there", "far"), ("far", "here"), ("far", "there")]


@pytest.mark.promise(id="SEM-1401")
@pytest.mark.parametrize(("asker", "asked"), ROUTES)
async def test_any_agent_asks_any_other(system, asker, asked):
    order = {"to": asked, "type": "echo", "payload": [1, "ä"]}
    assert (await system.ask(asker, order, "ask")).payload == [1, "ä"]


@pytest.mark.promise(id="SEM-1722")
async def test_an_agent_that_blocks_a_process_on_another_machine_is_seen(system, tmp_path):
    thaw = tmp_path / "thaw"
    try:
        freezing = asyncio.create_task(system.ask("far", str(thaw), "freeze"))
        await until(thaw.with_suffix(".frozen").exists)
        found = await system.inspect("far", profile=0.05)
    finally:
        thaw.touch()
    assert found["blocked"]["by"] == "far"
    assert "time.sleep" in found["stack"][-1]["code"]
    assert found["profile"]["samples"] > 0
    assert (await freezing).payload == "thawed"


async def test_a_stream_goes_through_the_server(system):
    async with aclosing(system.stream("far", 300, "count")) as stream:
        told = [message.payload async for message in stream]
    assert told == [*range(300), "told"]


@pytest.mark.promise(id="SEM-1402")
async def test_a_payload_larger_than_the_server_takes_travels_in_pieces(system):
    payload = os.urandom(20_000_000)
    assert (await system.ask("far", payload)).payload == payload


@pytest.mark.promise(id="SEM-1403")
async def test_a_process_killed_with_9_is_back_and_its_message_is_answered(system, server):
    config = over_nats(
        server,
        traveller("there", "worker"),
        traveller("sure", "worker", delivery="at_least_once"),
        prefix="killed",
    )
    async with Runtime.from_config(config) as killed:
        events = Events(killed)
        assert (await killed.ask("sure", None, "die once")).payload == 1
        assert {event.name for event in events.of("crashed")} == {"there", "sure"}
        await running(killed)


@pytest.mark.promise(id="SEM-1404")
async def test_a_server_that_is_killed_and_back_in_time_is_nobodys_death(
    server_of_its_own, tmp_path
):
    server, file = server_of_its_own, tmp_path / "written"
    config = over_nats(
        server,
        traveller("there", "worker"),
        traveller("far", "gpu"),
        agent("writer", "worker", "Writer", file=str(file), delivery="at_least_once"),
        processes={"gpu": {"start": False}},
        runtime={"node_timeout": 5},
    )
    async with elsewhere(tmp_path / "gpu", config, "gpu"), Runtime.from_config(config) as system:
        events, pids = Events(system), pids_of(system)
        sending = [asyncio.create_task(send_all(system, who)) for who in ("one", "two")]
        asking = [asyncio.create_task(system.ask("far", n)) for n in range(50)]
        await until(lambda: len(lines(file)) > 20)
        server.kill()
        asking += [asyncio.create_task(system.ask("there", n)) for n in range(50)]
        await asyncio.sleep(0.5)  # as long as it is away
        assert len(lines(file)) < 400
        assert not any(ask.done() for ask in asking[50:])
        server.start()
        answers = [reply.payload for reply in await asyncio.gather(*asking)]
        assert answers == [*range(50), *range(50)]
        await asyncio.gather(*sending)
        await system.ask("writer", {"from": "end", "n": 0})
        assert events == []
        assert pids_of(system) == pids
    written = defaultdict(list)
    for who, n in map(str.split, lines(file)):
        written[who].append(int(n))
    assert written == {"one": [*range(200)], "two": [*range(200)], "end": [0]}


async def send_all(system, who):
    for n in range(200):
        await system.send("writer", {"from": who, "n": n})
        await asyncio.sleep(0.001)


def pids_of(system):
    return {each["name"]: each["pid"] for each in agents_of(system)}


@pytest.mark.promise(id="SEM-1405")
async def test_another_prefix_or_name_is_another_system(system, server):
    others = [
        over_nats(server, traveller("there", "worker"), prefix="another.one"),
        over_nats(server, traveller("there", "worker")) | {"name": "level=2E3"},
    ]
    async with Runtime.from_config(others[0]) as one, Runtime.from_config(others[1]) as two:
        systems = (system, one, two)
        pids = [(await each.ask("there", None, "pid")).payload for each in systems]
        assert pids == [pid_of(each, "there") for each in systems]
        assert len(set(pids)) == 3


@pytest.mark.promise(id="SEM-1406")
async def test_a_second_root_of_one_system_is_refused(system, server):
    events, pids = Events(system), pids_of(system)
    second = Runtime.from_config(over_nats(server, traveller("there", "worker"), jetstream=False))
    with pytest.raises(ConfigurationError, match="another root of this system is running"):
        await second.start()
    await second.stop()
    for name in ("there", "far"):  # nobody took the second one for the first
        assert (await system.ask(name, None, "pid")).payload == pids[name]
    assert events == []


@pytest.mark.promise(id="SEM-1407")
async def test_a_longer_outage_is_a_crash_and_all_are_back_when_the_server_is(
    server_of_its_own, tmp_path
):
    server = server_of_its_own
    config = over_nats(
        server,
        traveller("there", "worker"),
        traveller("far", "gpu"),
        processes={"gpu": {"start": False}},
        runtime={"node_timeout": 2},
    )
    async with elsewhere(tmp_path / "gpu", config, "gpu"), Runtime.from_config(config) as system:
        events, pid = Events(system), pid_of(system, "there")
        server.kill()
        asked = await asyncio.gather(system.ask("far", 1), return_exceptions=True)
        assert type(asked[0]).__name__ == "NodeDown"
        await until(lambda: {each.name for each in events.of("node_down")} == {"worker", "gpu"})
        server.start()
        await running(system, 20)
        assert [(await system.ask(name, 2)).payload for name in ("there", "far")] == [2, 2]
        assert pid_of(system, "there") != pid
        assert [look(system, name)["restarts"] for name in ("there", "far")] == [1, 1]


@pytest.mark.promise(id="SEM-1408")
async def test_a_process_elsewhere_joins_the_next_root(server_of_its_own, tmp_path):
    config = over_nats(
        server_of_its_own,
        traveller("far", "gpu"),
        processes={"gpu": {"start": False}},
        runtime={"node_timeout": 1},
    )
    async with elsewhere(tmp_path / "gpu", config, "gpu") as process:
        for _ in range(2):
            async with Runtime.from_config(config) as system:
                assert (await system.ask("far", None, "pid")).payload == process.pid

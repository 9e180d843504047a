"""What the tools of NATS find of a running system."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client

from tests.integration.processes.system import pid_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
SERVICE = "civitas_level_2E3"


@pytest_asyncio.fixture(loop_scope="session")
async def client(server, system) -> AsyncIterator[Client]:
    client = await nats.connect(server.url)
    yield client
    await client.close()


async def answers(client, subject, expected):
    """What so many services answer."""
    inbox = await client.subscribe(client.new_inbox())
    await client.publish(subject, b"", reply=inbox.subject)
    found = [json.loads((await inbox.next_msg(5)).data) for _ in range(expected)]
    await inbox.unsubscribe()
    return {each["metadata"]["node"]: each for each in found}


@pytest.mark.promise(id="SEM-1501")
@pytest.mark.parametrize("subject", ["$SRV.PING", f"$SRV.PING.{SERVICE}"])
async def test_each_process_says_what_it_is(client, system, subject):
    found = await answers(client, subject, 3)
    assert sorted(found) == ["gpu", "root", "worker"]
    for node, agent in (("root", "here"), ("worker", "there"), ("gpu", "far")):
        ping = found[node]
        assert ping["type"] == "io.nats.micro.v1.ping_response"
        assert ping["name"] == SERVICE
        assert ping["metadata"]["system"] == "level.3"
        assert ping["metadata"]["pid"] == str(pid_of(system, agent))
    assert len({each["id"] for each in found.values()}) == 3


@pytest.mark.promise(id="SEM-1501")
async def test_one_instance_is_asked_by_its_id(client):
    ids = {node: each["id"] for node, each in (await answers(client, "$SRV.PING", 3)).items()}
    reply = await client.request(f"$SRV.INFO.{SERVICE}.{ids['worker']}", b"", timeout=5)
    info = json.loads(reply.data)
    assert info["metadata"]["node"] == "worker"
    assert info["description"] == "Process 'worker' of the Civitas system 'level.3'"
    assert [each["metadata"]["agent"] for each in info["endpoints"]] == ["there"]


@pytest.mark.promise(id="SEM-1502")
async def test_the_statistics_count_what_each_agent_was_given_and_failed_on(client, system):
    before = stats_of(await answers(client, "$SRV.STATS", 3))
    await system.ask("there", 1)
    with pytest.raises(Exception, match="ValueError"):
        await system.ask("there", "no", "crash")
    await system.ask("there", 1)
    after = stats_of(await answers(client, "$SRV.STATS", 3))
    assert after["num_requests"] == before["num_requests"] + 3
    assert after["num_errors"] == before["num_errors"] + 1
    assert after["last_error"] == "ValueError"
    assert after["data"] == {"status": "running", "waiting": 0, "awake": 1}


def stats_of(found):
    [endpoint] = found["worker"]["endpoints"]
    return endpoint


@pytest.mark.promise(id="SEM-1503")
@pytest.mark.parametrize("subject", ["$JS.API.STREAM.PURGE.x", "civitas.level=2E3.node.root"])
async def test_no_answer_goes_where_the_asker_may_have_no_right_to_publish(client, subject):
    heard = await client.subscribe("$JS.>" if subject.startswith("$") else "civitas.>")
    await client.publish("$SRV.PING", b"", reply=subject)
    await answers(client, "$SRV.PING", 3)  # whatever was published before has arrived by then
    told = [heard._pending_queue.get_nowait() for _ in range(heard._pending_queue.qsize())]
    assert all(b"micro" not in message.data for message in told)
    await heard.unsubscribe()

"""What is read of a NATS server that cannot do what it should: in the log, and in errors."""

from __future__ import annotations

import asyncio
import signal

import pytest

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.jetstream import StreamLimits
from civitas.errors import ConfigurationError, StateStoreError
from civitas.state import NatsKVStateStore
from civitas.transport.nats import NatsTransport
from civitas.transport.nats.address import Subjects
from civitas.transport.nats.dead_letters import NatsDeadLetters
from tests.nats_server import NatsServer

ALONE = """server_name: one
cluster { name: c, listen: "127.0.0.1:-1", routes: ["nats://127.0.0.1:1", "nats://127.0.0.1:2"] }"""


@pytest.fixture
def start(tmp_path):
    servers = []

    def one(config="", limits=""):
        config = f'jetstream: {{ store_dir: "{tmp_path}/js" {limits} }}\n{config}'
        servers.append(NatsServer(tmp_path, config).start())
        return servers[-1]

    yield one
    for each in servers:
        each.close()


@pytest.fixture
async def store():
    made = []

    def one(server):
        made.append(NatsKVStateStore(servers=server.url, bucket="state", timeout=0.5))
        return made[-1]

    yield one
    for each in made:
        await each.close()


@pytest.mark.promise(id="SEM-1520")
async def test_a_full_server_is_told_with_what_to_free_and_what_is_there_stays(start, store):
    kept = store(start(limits=", max_file_store: 1MB"))
    value = {"text": "x" * 200_000}
    with pytest.raises(StateStoreError, match=r"the storage is full\. Free some space.*10023"):
        for number in range(10):
            await kept.set(f"key-{number}", value)
    assert await kept.get("key-0") == value


@pytest.mark.promise(id="SEM-1520")
async def test_a_cluster_without_a_quorum_is_told_as_that(start, store):
    server = start(ALONE)
    says = r"JetStream on it does not answer.*more than half of the servers must run"
    with pytest.raises(StateStoreError, match=says) as caught:
        await store(server).set("a", {})
    assert caught.value.transient
    options = NatsOptions.of({"servers": server.url})
    box = NatsDeadLetters(options, "civitas", "small", StreamLimits(), patience=0.5)
    with pytest.raises(ConfigurationError, match=says):
        await box.make()
    await box.close()


@pytest.mark.promise(id="SEM-1520")
async def test_a_server_that_is_about_to_shut_down_is_told_in_the_log_and_waited_for(
    start, store, caplog
):
    server = start("lame_duck_duration: 30s\nlame_duck_grace_period: 1s")
    kept = store(server)
    await kept.set("a", {"n": 1})
    options = NatsOptions.of({"servers": server.url})
    transport = NatsTransport(options, Subjects.of("civitas", "small"))
    await transport.open(lambda _: None)
    server.kill(signal.SIGUSR2)
    async with asyncio.timeout(10):
        while caplog.text.count("is about to shut down (lame duck mode)") < 3:
            await asyncio.sleep(0.01)
    server.kill()
    server.start()
    assert await kept.get("a") == {"n": 1}
    await transport.close()

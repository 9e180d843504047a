"""A process that is started elsewhere, was stopped for too long and goes on: another has its work."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.core.cli.support import Running
from tests.deep import further
from tests.nats_server import NatsServer

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]

pytestmark = pytest.mark.timeout(60)

WORKER = """
import os
from pathlib import Path

class Worker(AgentProcess):
    def __init__(self, name, ledger, **keywords):
        super().__init__(name, **keywords)
        self.ledger = Path(ledger)

    async def on_start(self):
        self.note()
        self.ticking = asyncio.create_task(self.tick())

    async def tick(self):
        while True:
            self.note()
            await asyncio.sleep(0.01)

    async def handle(self, message):
        self.note()
        await asyncio.sleep(0.01)
        self.note()

    def note(self):
        with self.ledger.open("a") as ledger:
            ledger.write(f"{os.getpid()}\\n")

    async def on_stop(self):
        self.ticking.cancel()

class Pump(AgentProcess):
    async def on_start(self):
        self.pumping = asyncio.create_task(self.pump())

    async def pump(self):
        while True:
            with contextlib.suppress(Exception):
                await self.send("worker", None)
            await asyncio.sleep(0.01)

    async def on_stop(self):
        self.pumping.cancel()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    folder = tmp_path_factory.mktemp("nats")
    running = NatsServer(folder, f"jetstream {{store_dir: {json.dumps(str(folder))}}}").start()
    yield running
    running.close()


def carried_by(what: str, server: NatsServer) -> str:
    if what == "zmq":
        return "{type: zmq}"
    if what == "zmq over TCP":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return f"{{type: zmq, address: 'tcp://127.0.0.1:{probe.getsockname()[1]}'}}"
    keeps = "keep" if what.endswith("that keeps") else "stop"
    jetstream = str(what.startswith("JetStream")).lower()
    return (
        f"{{type: nats, servers: ['{server.url}'], jetstream: {jetstream}, on_partition: {keeps}}}"
    )


@pytest.mark.promise(id="SEM-1496")
@pytest.mark.parametrize(
    "carrier",
    ["zmq over TCP", "JetStream", *further("zmq", "NATS", "JetStream that keeps")],
)
async def test_a_process_that_was_given_up_does_nothing_more_when_it_goes_on(
    start: Start, project: Project, tmp_path: Path, server: NatsServer, carrier: str
) -> None:
    ledger = tmp_path / "ledger"
    topology = project(
        "import contextlib\n" + WORKER,
        "name: pump, type: team.Pump",
        f"name: worker, type: team.Worker, process: far, delivery: at_least_once, ledger: {ledger}",
        top=f"name: {carrier.replace(' ', '-')}\nprocesses: {{far: {{start: false}}}}\n"
        f"runtime: {{node_timeout: 2}}\ntransport: {carried_by(carrier, server)}",
    )
    first = await start("run", topology, "--process", "far")
    root = await start("run", topology)
    await root.until("ready")
    await first.until("joined")
    first.signal(signal.SIGSTOP)
    await root.until("node down  far  far is down: it could not be reached")
    second = await start("run", topology, "--process", "far")
    await root.until("restarted  worker")
    first.signal(signal.SIGCONT)
    ended = await first.end()
    assert ended.code == 1
    assert f"there is already a process 'far' (pid {second.process.pid})" in ended.err
    for each in (second, root):
        each.signal(signal.SIGKILL)
        await each.end()
    who = [int(pid) for pid, _ in groupby(ledger.read_text().split())]
    assert who == [first.process.pid, second.process.pid]

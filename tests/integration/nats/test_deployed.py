"""The processes of a Compose file, started as it says, over a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from civitas.control import ControlClient, state_folder
from civitas.deploy import NATS_HOST, compose_file, deployment_of
from tests.integration.nats.conftest import ROOT

TOPOLOGY = """\
name: deployed
transport: {type: nats, servers: ["${NATS_URL:-nats://127.0.0.1:4222}"]}
supervision:
  children:
    - agent: {name: here, type: tests.integration.nats.cast.Traveller}
    - agent:
        name: many
        type: tests.integration.nats.cast.Traveller
        process: cpu
        replicas: 2
        delivery: at_least_once
"""


@pytest.fixture
def listening(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.setblocking(False)
        yield listening


async def start(service: Any, folder: Path, **environment: str) -> asyncio.subprocess.Process:
    assert service["command"][0] == "civitas"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "civitas.cli", *service["command"][1:]),
        cwd=folder,
        env={
            **os.environ,
            **environment,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder),
            "CIVITAS_HEALTH": str(folder / environment["NAME"]),
        },
    )


@pytest.mark.promise(id="SEM-1821")
@pytest.mark.promise(id="SEM-1824")
@pytest.mark.promise(id="SEM-1830")
async def test_the_services_of_a_compose_file_are_one_system_and_tell_when_they_are_ready(
    server_of_its_own, tmp_path, monkeypatch, listening
):
    topology = tmp_path / "topology.yaml"
    topology.write_text(TOPOLOGY)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    deployment = deployment_of(topology, nats=NATS_HOST)
    data = yaml.safe_load(compose_file(deployment, image="team", folder=tmp_path))
    services = {name: each for name, each in data["services"].items() if name != "nats"}
    assert list(services) == ["root", "cpu-1", "cpu-2"]
    url = {"NATS_URL": server_of_its_own.url}
    notify = {"root": {"NOTIFY_SOCKET": str(tmp_path / "s"), "WATCHDOG_USEC": "3000000"}}
    processes = [
        await start(service, tmp_path, NAME=name, **url, **notify.get(name, {}))
        for name, service in services.items()
    ]
    try:
        loop = asyncio.get_running_loop()
        said: list[bytes] = []
        while not any(each.startswith(b"READY=1") for each in said):
            said.append(await loop.sock_recv(listening, 1000))
        assert all((tmp_path / name / "ready").exists() for name in services)
        async with ControlClient("deployed", state_folder("deployed", topology)) as system:
            reply = await system.request("ask", to="many", payload="hello", type="echo")
            assert reply["payload"] == "hello"
            # As a scaler starts it: one more than the topology has.
            third = {**services["cpu-2"], "command": [*services["cpu-2"]["command"]]}
            third["command"][third["command"].index("cpu-2")] = "cpu-3"
            processes.append(await start(third, tmp_path, NAME="cpu-3", **url))
            async with asyncio.timeout(40):
                while not (tmp_path / "cpu-3" / "ready").exists():
                    await asyncio.sleep(0.05)
            tree = await system.request("tree")
            assert [each["node"] for each in tree["children"][1]["children"]] == [
                "cpu-1",
                "cpu-2",
                "cpu-3",
            ]
        connection = await nats.connect(server_of_its_own.url)
        scaler = deployment.scalers["cpu"]
        info = await connection.jetstream().consumer_info(scaler.stream, scaler.consumer)
        assert info.num_pending == 0
        await connection.close()
        for process in processes:
            process.send_signal(signal.SIGTERM)
        while not any(each == b"STOPPING=1" for each in said):
            said.append(await loop.sock_recv(listening, 1000))
        assert [await process.wait() for process in processes] == [0, 0, 0, 0]
        assert b"WATCHDOG=1" in said
        assert not any((tmp_path / name / "ready").exists() for name in services)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()

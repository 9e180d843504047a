"""One server and one system of four OS processes for all tests that do not end them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from civitas import Runtime
from tests.integration.processes.system import agent, topology
from tests.nats_server import NatsServer

# None of it differs in environment B.
collect_ignore_glob = ["test_*.py"] if find_spec("crewai") else []

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60))


def with_jetstream(folder: Path) -> NatsServer:
    return NatsServer(folder, f"jetstream {{store_dir: {json.dumps(str(folder / 'js'))}}}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One that has a port and does not run yet; the system starts it."""
    server = with_jetstream(tmp_path_factory.mktemp("nats")).start()
    server.kill()
    yield server
    server.close()


@pytest.fixture
def server_of_its_own(tmp_path: Path) -> Iterator[NatsServer]:
    """One that a test may end."""
    server = with_jetstream(tmp_path).start()
    yield server
    server.close()


def traveller(name: str, process: str | None = None, **keywords: Any) -> dict[str, Any]:
    """An agent as it stands in a topology."""
    entry = agent(name, process, **keywords)
    entry["agent"]["type"] = "tests.integration.nats.cast:Traveller"
    return entry


def over_nats(server: NatsServer, *children: Any, **keys: Any) -> dict[str, Any]:
    """A topology whose messages go through the server; `keys` are those of a transport, and `processes`."""
    processes = keys.pop("processes", {})
    runtime = keys.pop("runtime", {})
    config = topology(*children, processes=processes, runtime=runtime, max_restarts=1000)
    return {
        "name": "level.3",
        **config,
        "transport": {"type": "nats", "servers": [server.url], **keys},
    }


@asynccontextmanager
async def elsewhere(folder: Path, config: dict[str, Any], name: str) -> AsyncIterator[Any]:
    """A process that is started by hand, as on another machine: it shares no file with the root."""
    folder.mkdir()  # noqa: ASYNC240
    (folder / "topology.yaml").write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "civitas.cli", "run", "topology.yaml", "--process", name),
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(folder),
            "HOME": str(folder),
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def system(
    server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Runtime]:
    """It is started in the worst order: first a process on another machine, then the root, the server last."""
    folder = tmp_path_factory.mktemp("system")
    config = over_nats(
        server,
        traveller("here"),
        traveller("there", "worker"),
        traveller("far", "gpu"),
        processes={"gpu": {"start": False}},
        runtime={"node_timeout": 30},
        jetstream=False,
    )
    async with elsewhere(folder / "gpu", config, "gpu"):
        runtime = Runtime.from_config(config)
        starting = asyncio.create_task(runtime.start())
        await asyncio.sleep(0)
        server.start()
        await starting
        try:
            yield runtime
        finally:
            await runtime.stop()

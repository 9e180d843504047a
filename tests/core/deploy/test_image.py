"""The Dockerfile of a topology, built and run by Podman. Part of `make test-deep`."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import pytest

from civitas.cli import main
from civitas.deploy.probes import HEALTH_FOLDER, IS_READY, asks
from tests.core.deploy.containers import Container, Podman
from tests.house.project import ROOT

pytestmark = [pytest.mark.deep, pytest.mark.slow, pytest.mark.timeout(900)]

DRAIN = 20

TOPOLOGY = f"""\
name: team
state: {{type: sqlite, path: civitas.db}}
runtime: {{drain_timeout: {DRAIN}}}
edge: {{http: {{token: "${{EDGE_TOKEN}}"}}}}
processes:
  side: {{python: .venv-side/bin/python}}
supervision:
  children:
    - agent: {{name: counter, type: agents.Counter}}
    - agent: {{name: worker, type: agents.Worker, process: side}}
    - agent: {{name: reporter, wrap: "graphs:graph", durable: true}}
"""

AGENTS = """\
import asyncio
import os
import sys
import time

from civitas import AgentProcess

print("importing", flush=True)
time.sleep(float(os.environ.get("IMPORT_TAKES", "0")))


class Counter(AgentProcess):
    async def handle(self, message):
        print("counting", message.payload, flush=True)
        await asyncio.sleep(message.payload)
        self.state["count"] = self.state.get("count", 0) + 1
        await self.checkpoint()
        return self.reply({"count": self.state["count"], "user": os.getuid()})


class Worker(AgentProcess):
    async def handle(self, message):
        return self.reply({"prefix": sys.prefix, "user": os.getuid()})
"""

GRAPHS = """\
import asyncio
from pathlib import Path
from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class Report(TypedDict, total=False):
    topic: str
    text: str


def search(report):
    with Path("/data/searches.log").open("a") as log:
        log.write(report["topic"] + "\\n")
    return {}


async def write(report):
    print("writing", flush=True)
    while not Path("/data/written").exists():
        await asyncio.sleep(0.05)
    return {"text": "all about " + report["topic"]}


builder = StateGraph(Report)
builder.add_node("search", search)
builder.add_node("write", write)
builder.add_edge(START, "search")
builder.add_edge("search", "write")
builder.add_edge("write", END)
graph = builder.compile()
"""


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """With an image ``team``, built as a user would."""
    folder = tmp_path_factory.mktemp("podman")
    podman = Podman(folder)
    app = folder / "app"
    app.mkdir()
    files = {
        "topology.yaml": TOPOLOGY,
        "agents.py": AGENTS,
        "graphs.py": GRAPHS,
        "requirements.txt": f"civitas-core[web,zmq]=={version('civitas-core')}\ncivitas-langgraph\n",
        "requirements-side.txt": f"civitas-core[zmq]=={version('civitas-core')}\n",
        ".env": "EDGE_TOKEN=of-my-laptop\n",
        "civitas.db": "of my laptop",
    }
    for name, text in files.items():
        (app / name).write_text(text)
    assert main(["deploy", "dockerfile", str(app / "topology.yaml"), "--output", str(app)]) == 0
    (base,) = re.findall(r"^FROM (.+)$", (app / "Dockerfile").read_text(), re.MULTILINE)
    subprocess.run([ROOT / "scripts" / "build.sh", folder / "dist"], check=True)
    try:
        podman.make_base(f"docker.io/library/{base}")
        podman.build(app, "team", dist=folder / "dist")
        yield podman
    finally:
        podman.close()


@pytest.fixture
def team(podman: Podman) -> Iterator[list[str]]:
    """The options of a container of the system, with a volume of its own."""
    podman("volume", "create", "data")
    yield ["--volume=data:/data", "--env=EDGE_TOKEN=t", f"--env=CIVITAS_HEALTH={HEALTH_FOLDER}"]
    podman("rm", "--all", "--force", "--time=0")
    podman("volume", "rm", "data")


@pytest.mark.promise(id="SEM-1841")
def test_the_image_answers_and_an_ask_under_way_is_answered_within_the_drain(
    podman: Podman, team: list[str]
) -> None:
    container = Container(podman, "team", team)
    container.until("ready ")
    container("sh", "-c", IS_READY)
    container(*asks(8700, "/readyz"))
    ask = ("civitas", "ask", "topology.yaml")
    assert json.loads(container(*ask, "counter", "0")) == {"count": 1, "user": 10001}
    there = json.loads(container(*ask, "worker", "0"))
    assert there == {"prefix": "/app/.venv-side", "user": 10001}
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(container, *ask, "counter", "2")
        container.until("counting 2")
        began = time.monotonic()
        container.signal("TERM")
        assert json.loads(slow.result())["count"] == 2
        assert container.end() == 0
    assert time.monotonic() - began < DRAIN
    assert "stopped" in container.log()


@pytest.mark.promise(id="SEM-1841")
def test_state_and_a_durable_run_outlive_a_container_that_is_killed(
    podman: Podman, team: list[str]
) -> None:
    first = Container(podman, "team", team)
    first.until("ready ")
    ask = ("civitas", "ask", "topology.yaml")
    first(*ask, "counter", "0")
    first("civitas", "send", "topology.yaml", "reporter", '{"topic": "tea"}', "--run", "tea")
    first.until("writing")
    first.signal("KILL")
    assert first.end() == 137
    second = Container(podman, "team", team)
    second.until("writing")
    second("touch", "/data/written")
    result = json.loads(second("civitas", "runs", "result", "topology.yaml", "tea"))
    assert result == {"topic": "tea", "text": "all about tea"}
    assert second("cat", "/data/searches.log") == "tea"
    assert json.loads(second(*ask, "counter", "0"))["count"] == 2


@pytest.mark.promise(id="SEM-1842")
def test_neither_secrets_nor_state_are_in_the_image(podman: Podman) -> None:
    found = podman("run", "--rm", *podman.limits, "--network=none", "team", "ls", "-A", "/app")
    assert set(found.split()) == {
        *(".venv-side", "agents.py", "graphs.py", "requirements.txt", "requirements-side.txt"),
        "topology.yaml",
    }
    assert "of-my-laptop" not in podman("history", "--no-trunc", "team")


@pytest.mark.promise(id="SEM-1843")
def test_sigterm_ends_a_container_that_still_starts(podman: Podman, team: list[str]) -> None:
    container = Container(podman, "team", [*team, "--env=IMPORT_TAKES=600"])
    container.until("importing")
    container.signal("TERM")
    assert container.end() == 143

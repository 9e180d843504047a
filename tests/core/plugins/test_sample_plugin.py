"""The sample plugin, built, installed into an environment of its own, and found there by its entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.plugins.samples import SAMPLES, environment, run, run_own_tests

SAMPLE = SAMPLES / "plugin-state-store"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

USE = """
import asyncio
from civitas import AgentProcess, Runtime

class Counter(AgentProcess):
    async def handle(self, message):
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        return self.reply(self.state)

TOPOLOGY = {
    "state": {"type": "folder", "path": "state"},
    "supervision": {"name": "root", "children": [{"agent": {"name": "counter", "type": "Counter"}}]},
}

async def ask():
    async with Runtime.from_config(TOPOLOGY, {"Counter": Counter}) as runtime:
        return (await runtime.ask("counter", {})).payload["n"]

print([asyncio.run(ask()) for _ in range(3)])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the sample plugin."""
    return environment(tmp_path_factory.mktemp("sample"), SAMPLE)


def test_it_is_found_by_its_entry_point(python):
    listed = run(python, "-m", "civitas.cli", "plugins").stdout
    (line,) = [line for line in listed.splitlines() if line.startswith("folder")]
    assert "civitas-folder 0.1.0" in line
    assert line.rstrip().endswith("state stores: folder")


@pytest.mark.promise(id="SEM-708")
def test_a_topology_uses_it_by_its_name(python, tmp_path):
    assert run(python, "-c", USE, cwd=tmp_path).stdout == "[1, 2, 3]\n"
    assert len(list((tmp_path / "state").glob("*.state"))) == 1


def test_it_passes_the_suite_by_its_own_tests(python, tmp_path):
    assert run_own_tests(python, SAMPLE, tmp_path) > 30

"""`civitas scale`: more or fewer processes behind a name of a running system."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]
Beside = Callable[..., Awaitable[Result]]

WHO = """
class Who(AgentProcess):
    async def handle(self, message):
        return self.reply(self.name)
"""


@pytest.mark.timeout(60)
@pytest.mark.promise(id="SEM-1500")
async def test_a_running_system_gets_more_and_fewer_replicas(
    start: Start, project: Project, beside: Beside
) -> None:
    crew = "name: crew, type: team.Who, process: crew, replicas: 2"
    topology = project(WHO, "name: alone, type: team.Who", crew)
    root = await start("run", topology)
    await root.until("ready")

    async def behind() -> list[str]:
        tree = (await beside("top", topology, "--once")).out
        return [name for name in ("crew-1", "crew-2", "crew-3") if name in tree]

    done = await beside("scale", topology, "crew", "3")
    assert (done.code, done.out) == (0, "crew: 3 replicas\n")
    assert await behind() == ["crew-1", "crew-2", "crew-3"]
    done = await beside("scale", topology, "crew", "1")
    assert (done.code, done.out) == (0, "crew: 1 replica\n")
    assert await behind() == ["crew-1"]
    assert (await beside("ask", topology, "crew", "1", "--raw")).out.strip() == "crew-1"
    for name, why in (("alone", "no supervisor 'alone'"), ("root", "'root' has no replicas")):
        refused = await beside("scale", topology, name, "2")
        assert refused.code == 1
        assert why in refused.err
    assert (await beside("scale", topology, "crew", "0")).code == 2
    root.signal(signal.SIGTERM)
    assert (await root.end()).code == 0


async def test_a_system_that_does_not_run_has_nothing_to_scale(
    project: Project, beside: Beside
) -> None:
    topology = project(WHO, "name: crew, type: team.Who, process: crew, replicas: 2")
    done = await beside("scale", topology, "crew", "3")
    assert done.code == 1
    assert "is not running here" in done.err

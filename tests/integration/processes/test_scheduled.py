"""Schedules of agents that other OS processes host."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from civitas import Runtime
from tests.integration.processes.system import agent, kill, lines, look, running, topology, until

EVERY = 0.2


@pytest.mark.promise(id="SEM-1669")
async def test_an_agent_elsewhere_and_a_name_with_replicas_get_each_time_once_through_kills(
    tmp_path: Path,
) -> None:
    file = tmp_path / "due"
    own = {"file": str(file), "every": EVERY, "missed": "all"}
    config = topology(
        agent("alone", "w", "Scheduled", delivery="durable", **own),
        agent("many", "m", "Scheduled", delivery="at_least_once", replicas=2, **own),
        state={"type": "sqlite", "path": str(tmp_path / "state.db")},
        max_restarts=10,
    )

    def due(name: str) -> list[float]:
        return [float(line.split()[1]) for line in lines(file) if line.split()[0] == name]

    async with Runtime.from_config(config) as runtime:
        await until(lambda: len(due("alone")) > 1 and len(due("many")) > 1)
        assert "next" in look(runtime, "alone")
        kill(runtime, "alone")
        kill(runtime, "many-1")
        await running(runtime)
        seen = len(due("alone"))
        await until(lambda: len(due("alone")) > seen + 2 and len(due("many")) > seen + 2)
    for name in ("alone", "many"):
        times = sorted(set(due(name)))
        assert len(due(name)) <= len(times) + 1  # what was in hand at the kill
        assert {round(b - a, 6) for a, b in itertools.pairwise(times)} == {EVERY}

"""What is in a Dockerfile; `test_image.py` builds one and runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.deploy import NATS_HOST, deployment_of, dockerfile
from civitas.topology import load_without_environment
from tests.core.cli.support import Result
from tests.core.deploy.conftest import Write

AGENTS = "supervision: {children: [{agent: {name: a, type: agents.A, process: side}}]}\n"


def command_of(topology: Path) -> list[str]:
    """What a container of the image runs."""
    text = dockerfile(deployment_of(topology, nats=NATS_HOST), load_without_environment(topology))
    (line,) = [each for each in text.splitlines() if each.startswith("CMD ")]
    command: list[str] = json.loads(line.removeprefix("CMD "))
    return command


@pytest.mark.promise(id="SEM-1841")
def test_a_container_keeps_state_where_its_user_may_write(small: Path) -> None:
    command = ["civitas", "run", "topology.yaml", "--set=state.path=/data/civitas.db"]
    assert command_of(small) == command


@pytest.mark.promise(id="SEM-1841")
def test_the_edge_of_a_container_is_open_to_the_outside_if_it_has_a_token(write: Write) -> None:
    topology = write('edge: {http: {token: "${EDGE_TOKEN}"}}\n' + AGENTS)
    assert command_of(topology)[3:] == ["--set=edge.http.host=0.0.0.0"]


def test_a_container_by_itself_starts_the_processes_that_are_services_elsewhere(
    everything: Path,
) -> None:
    assert not any(".start" in each for each in command_of(everything))


def test_an_environment_is_made_where_the_topology_has_its_interpreter(
    write: Write, civitas: Callable[..., Result]
) -> None:
    topology = write("processes: {side: {python: .venv-side/bin/python}}\n" + AGENTS)
    made = civitas("deploy", "dockerfile", topology)
    assert "RUN python -m venv .venv-side && .venv-side/bin/pip install" in made.out
    assert "requirements-side.txt is missing, and the image cannot be built" in made.err
    (topology.parent / "requirements-side.txt").touch()
    assert not civitas("deploy", "dockerfile", topology).err

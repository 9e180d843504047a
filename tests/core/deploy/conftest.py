"""Topologies to deploy, and what is made of them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.cli.conftest import civitas

__all__ = ["civitas"]

Write = Callable[[str], Path]

EVERYTHING = """\
    name: research-team
    transport:
      type: nats
      servers: ["${NATS_URL:-nats://127.0.0.1:4222}"]
      user: civitas
      password: ${NATS_PASSWORD:-hunter2}
    state: {type: nats_kv, bucket: state}
    runtime: {drain_timeout: 20}
    edge: {http: {token: "${EDGE_TOKEN}"}}
    processes:
      crew: {python: .venv-crew}
    supervision:
      children:
        - agent: {name: planner, type: agents.Planner, shutdown_timeout: 45}
        - agent: {name: writer, type: agents.Writer, process: worker}
        - agent: {name: square, type: agents.Square, process: cpu, replicas: 2, delivery: at_least_once}
        - agent: {name: critic, wrap: "crews:make", process: crew}
    """


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a topology; returns its path."""

    def write_it(text: str) -> Path:
        file = tmp_path / "topology.yaml"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    return write_it


@pytest.fixture
def everything(write: Write) -> Path:
    """A topology with all that there is to deploy."""
    return write(EVERYTHING)


@pytest.fixture
def small(write: Write) -> Path:
    """A topology of one OS process that keeps its state in a file beside it."""
    return write("""\
        state: {type: sqlite, path: civitas.db}
        supervision:
          children:
            - agent: {name: counter, type: agents.Counter}
        """)

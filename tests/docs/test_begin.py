"""Pages that are followed word for word; only what they install is here already."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.following import follow
from tests.house.project import ROOT
from tests.nats_server import NatsServer

# Real programs, each with an interpreter to start: a busy machine needs its time.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(find_spec("crewai") is not None, reason="the other environment runs it"),
]


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty folder with a short name, as sockets lie below it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def check(page: str, home: Path, **variables: str) -> None:
    """Follow a page, and compare what each of its commands prints."""
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    environment = {"PATH": path, "HOME": str(home), **variables}
    for step in follow(ROOT / "docs" / page, home, environment, set_up=False, limit=60):
        assert step.printed == step.expected, step.command


def test_who_follows_the_page_of_five_minutes_sees_what_it_says(home: Path) -> None:
    check("begin.md", home)


def test_who_follows_the_chapter_on_many_machines_sees_what_it_says(
    home: Path, tmp_path: Path
) -> None:
    server = NatsServer(tmp_path, f'jetstream {{store_dir: "{tmp_path}/js"}}').start()
    try:
        check("tutorial/8-machines.md", home, NATS_URL=server.url)
    finally:
        server.close()

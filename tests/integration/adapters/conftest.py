"""Adapters whose runs live in OS processes of their own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.processes.conftest import _no_process_left_behind

__all__ = ["_no_process_left_behind"]

# They start from environment A, which has the newest versions; crews run with the interpreter of environment B.
collect_ignore_glob = ["test_*.py"] if find_spec("crewai") else []

# A process that imports a framework takes its time, more so where others work beside it.
TIMEOUT = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))

"""Faults of machines, networks and brokers. Most take seconds each and belong to `make test-nats` alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.machines import missing

HERE = Path(__file__).parent
LANE = os.environ.get("CIVITAS_FAULTS") == "nats"
"""Whether this is the run of `make test-nats`."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: a fault that `make test` looks at as well")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if item.path.is_relative_to(HERE)]
    for item in own:
        item.add_marker(pytest.mark.timeout(150))
    if LANE:
        return
    left_out = {item for item in own if item.get_closest_marker("quick") is None}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Machines can be had here."""
    if why := missing():
        pytest.skip(why)

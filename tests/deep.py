"""What `make test-deep` looks at: the behaviour of `make test`, with more examples, repetitions and moments to kill at.

Each behaviour has a quick example in `make test`; what is marked `deep` is further ones. A module that imports `DEEP`
looks longer by itself, and so does each test of Hypothesis.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import none

__all__ = ["DEEP", "further"]

DEEP = os.environ.get("CIVITAS_PROPERTIES") == "deep"
"""Whether this is a deep run, of nothing else."""

# How long an example takes depends on what else the machine does; each test has its time limit anyway.
settings.register_profile("quick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", settings.get_profile("quick"), max_examples=1000)


def further(*values: Any) -> list[Any]:
    """Values of a parameter for deep runs only."""
    return [pytest.param(value, marks=pytest.mark.deep) for value in values]


def pytest_configure(config: pytest.Config) -> None:
    """Let Hypothesis look longer."""
    config.addinivalue_line("markers", "deep: one more example, for `make test-deep` only")
    settings.load_profile("deep" if DEEP else "quick")


@pytest.hookimpl(trylast=True)  # when Hypothesis has marked its own
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what belongs to this kind of run."""
    # Hypothesis looks who refers to its generator when it makes that, and sees nobody in what a runtime has frozen.
    settings(derandomize=True, max_examples=1, database=None)(given(none())(lambda _: None))()
    chosen = [item for item in items if (_looks_longer(item) if DEEP else not _is_further(item))]
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen
    for item in items if DEEP else ():
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))


def _is_further(item: pytest.Item) -> bool:
    return item.get_closest_marker("deep") is not None


def _looks_longer(item: pytest.Item) -> bool:
    own = hasattr(getattr(item, "module", None), "DEEP")
    return own or _is_further(item) or item.get_closest_marker("hypothesis") is not None

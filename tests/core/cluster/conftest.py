"""Settings of the tests in which nodes share one event loop."""

from __future__ import annotations

import pytest

from civitas.cluster.members import joining


@pytest.fixture(autouse=True)
def _no_long_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A root with `start: false` members does not wait for them, so what they say last is often to nobody."""
    monkeypatch.setattr(joining, "_LAST_FRAMES", 0.02)

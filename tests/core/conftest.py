"""What most tests of the core have."""

from __future__ import annotations

import pytest

from tests.core.support import Journal


@pytest.fixture
def journal() -> Journal:
    """Where the actors of a test write down what they do."""
    return Journal()

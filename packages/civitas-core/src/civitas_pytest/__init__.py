"""Pytest plugin, found by entry point wherever civitas is installed beside pytest.

It is loaded in every pytest run there, so it stays light: the fixtures come only beside pytest-asyncio, which they
need, and nothing of a runtime is imported until one is used. That is why it is not part of `civitas`, which would be
imported with it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["pytest_configure"]


def pytest_configure(config: pytest.Config) -> None:
    """Bring the fixtures in."""
    if find_spec("pytest_asyncio") is not None:
        config.pluginmanager.import_plugin("civitas_pytest.fixtures")

"""The pytest plugin, for environments that were installed before it became `civitas_pytest`."""

from __future__ import annotations

from civitas_pytest import pytest_configure

__all__ = ["pytest_configure"]

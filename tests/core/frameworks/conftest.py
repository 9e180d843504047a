"""Fixtures of these tests."""

from __future__ import annotations

from tests.core.frameworks.support import spans

__all__ = ["spans"]

"""Fixtures of these tests."""

from tests.core.frameworks.support import spans

__all__ = ["spans"]

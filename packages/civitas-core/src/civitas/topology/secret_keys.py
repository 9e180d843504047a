"""Which keys of a topology hold a secret."""

from __future__ import annotations

__all__ = ["SECRET_KEYS"]

SECRET_KEYS = frozenset({"password", "token", "secret", "api_key", "apikey"})
"""Keys whose values are secrets, wherever they stand."""

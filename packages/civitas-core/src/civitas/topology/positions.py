"""Where something stands in a topology: by its keys, and by its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Path", "Position"]

Path = tuple[Any, ...]
"""The keys and list positions that lead from the top to a value."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands, in lines counted from 1.

    Attributes:
        key: Line of the key, or of the dash in a list.
        value: Line where the value begins.
    """

    key: int
    value: int

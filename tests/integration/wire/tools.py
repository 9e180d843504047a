"""A tool for the agents of any OS process."""

from __future__ import annotations

from civitas import tool

__all__ = ["add"]


@tool
async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

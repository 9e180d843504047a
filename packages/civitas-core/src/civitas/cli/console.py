"""Where the commands print."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["stdout"]


def stdout() -> Console:
    """The standard output; colours only on a terminal, and no line is broken in two."""
    width = None if sys.stdout.isatty() else 200
    return Console(soft_wrap=True, highlight=False, emoji=False, width=width)

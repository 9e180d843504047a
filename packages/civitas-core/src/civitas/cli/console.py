"""Where the commands print, and ask."""

from __future__ import annotations

import sys

from rich.console import Console

from civitas.cli.failures import Refused

__all__ = ["is_agreed", "stdout"]


def stdout() -> Console:
    """The standard output; colours only on a terminal, and no line is broken in two."""
    width = None if sys.stdout.isatty() else 200
    return Console(soft_wrap=True, highlight=False, emoji=False, width=width)


def is_agreed(what: str) -> bool:
    """Ask whether `what` is to be removed.

    Raises:
        Refused: Nobody is there to be asked.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused(f"this removes {what}. There is nobody here to ask; confirm with --yes")
    return input(f"Remove {what}? [y/N] ").strip().lower() in ("y", "yes")

"""What several commands share: arguments, options, the form of their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["TopologyFile", "Verbose", "examples"]


def examples(*lines: str) -> str:
    """The end of a help page; each line is a paragraph, as typer joins the lines of one."""
    return "\n\n".join(["Examples:", *(f"  [b]{line}[/b]" for line in lines)])


TopologyFile = Annotated[
    Path, typer.Argument(metavar="TOPOLOGY", help="The topology's YAML file.", show_default=False)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show tracebacks and everything that happens.")
]

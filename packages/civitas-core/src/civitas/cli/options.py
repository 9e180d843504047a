"""What several commands share: arguments, options, the form of their help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "HERE",
    "Json",
    "Settings",
    "TopologyFile",
    "Verbose",
    "changes_of",
    "examples",
]

HERE = Path("topology.yaml")
"""The topology of a command that was told none."""


def examples(*lines: str) -> str:
    """The end of a help page; each line is a paragraph, as typer joins the lines of one."""
    return "\n\n".join(["Examples:", *(f"  [b]{line}[/b]" for line in lines)])


TopologyFile = Annotated[Path, typer.Argument(metavar="TOPOLOGY", help="The topology's YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show tracebacks and everything that happens.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY.KEY=VALUE",
        help="What holds instead of what the file says; may be given several times.",
    ),
]


def changes_of(settings: Sequence[str] | None) -> list[tuple[Any, Any]]:
    """The places and values that `--set` gave.

    Raises:
        typer.BadParameter: One of them is not written as a place and a value.
    """
    from civitas.topology.changes import parse_change

    try:
        return [parse_change(each) for each in settings or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None

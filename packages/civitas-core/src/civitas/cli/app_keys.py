"""`civitas keys ...`: arguments, help, and where each is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from civitas.cli.options import Verbose, examples

__all__ = ["keys_app"]

keys_app = typer.Typer(
    help="Create the keys by which the machines of a system recognize each other.",
    epilog=examples("civitas keys new"),
    no_args_is_help=True,
)


@keys_app.callback()
def _keys() -> None:
    pass  # with one command alone typer would leave out its name


@keys_app.command(epilog=examples("civitas keys new", "civitas keys new secrets/research.keys"))
def new(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="A new file.")] = Path(
        "civitas.keys"
    ),
    verbose: Verbose = False,
) -> None:
    """Make the keys of a system, in a new file that only its owner may read.

    Each machine of the system needs a copy.
    """
    from civitas.transport.zmq.keys import Keys

    Keys.new().save(file)
    print(f"{file}: new keys. Copy it to each machine of the system, and write in the topology:")
    print(f"transport: {{type: zmq, address: 'tcp://HOST:PORT', keys: {file}}}")

"""`civitas state ...`: arguments, help, and where each command is carried out."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.cli.optional_topology import OptionalTopology
from civitas.cli.options import HERE, TopologyFile, Verbose, examples

__all__ = ["state_app"]

state_app = typer.Typer(
    help="Look at what agents and conversations have saved, or remove it, whether the system is running or not.",
    epilog=examples(
        "civitas state list topology.yaml",
        "civitas state show topology.yaml counter",
        "civitas state show topology.yaml support/user-42",
        "civitas state clear topology.yaml counter",
    ),
    no_args_is_help=True,
)

Key = Annotated[
    str | None,
    typer.Argument(
        metavar="KEY",
        help="One key; that of an agent is its name, that of a conversation NAME/CONVERSATION.",
        show_default=False,
    ),
]
Prefix = Annotated[str, typer.Option("--prefix", metavar="P", help="Only keys that begin with it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
All = Annotated[
    bool, typer.Option("--all", help="The keys that Civitas keeps for itself too (civitas:...).")
]


@state_app.command(
    "list",
    epilog=examples(
        "civitas state list topology.yaml", "civitas state list topology.yaml --prefix support/"
    ),
)
def list_(
    topology: TopologyFile = HERE,
    prefix: Prefix = "",
    all_: All = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the keys in the state store of a topology, one on each line; a conversation is one."""
    from civitas.cli.states import list_keys

    list_keys(topology, prefix=prefix, internal=all_, as_json=as_json)


@state_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas state show topology.yaml counter",
        "civitas state show topology.yaml --prefix support/",
    ),
)
def show(
    topology: TopologyFile = HERE,
    key: Key = None,
    prefix: Prefix = "",
    all_: All = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print what is saved under a key, a conversation as its messages and all else as JSON.

    Without a key, everything by its key.
    """
    from civitas.cli.states import show_values

    show_values(topology, key, prefix=prefix, internal=all_, as_json=as_json)


@state_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas state clear topology.yaml counter",
        "civitas state clear topology.yaml --prefix support/ --yes",
    ),
)
def clear(
    topology: TopologyFile = HERE,
    key: Key = None,
    prefix: Prefix = "",
    all_: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    verbose: Verbose = False,
) -> None:
    """Remove what is saved under a key, a conversation with all it is kept in; without a key, everything.

    Asks first on a terminal; elsewhere it needs --yes.
    """
    from civitas.cli.states import clear_values

    clear_values(topology, key, prefix=prefix, internal=all_, yes=yes)

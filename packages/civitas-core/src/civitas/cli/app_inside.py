"""The commands that look into a running system."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.cli.options import TopologyFile, Verbose, examples

__all__ = ["add_to"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog=examples("civitas tree topology.yaml", "civitas tree topology.yaml --json"))(
        tree
    )
    app.command(
        epilog=examples(
            "civitas inspect topology.yaml writer",
            "civitas inspect topology.yaml writer --stack",
            "civitas inspect topology.yaml writer --json",
        )
    )(inspect)


def tree(topology: TopologyFile, as_json: Json = False, verbose: Verbose = False) -> None:
    """Print the tree of the running system: each agent, and what it does now."""
    from civitas.cli.inside import show_tree

    show_tree(topology, as_json=as_json)


def inspect(
    topology: TopologyFile,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the agent.", show_default=False)
    ],
    stack: Annotated[
        bool, typer.Option("--stack", help="Print only the stack of what it awaits.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Look into an agent of the running system.

    What it handles and since when, the stack of what it awaits, its last errors,
    the messages that wait, its state.
    """
    from civitas.cli.inside import show_agent

    show_agent(topology, name, only_stack=stack, as_json=as_json, verbose=verbose)

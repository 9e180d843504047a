"""The commands that look into a running system."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.cli.optional_topology import OptionalTopology
from civitas.cli.options import HERE, Json, TopologyFile, Verbose, examples
from civitas.cli.top.choosing import Choice, Doing, Order

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        epilog=examples(
            "civitas top topology.yaml",
            "civitas top topology.yaml --sort mailbox --filter 'support/*'",
            "civitas top topology.yaml --status busy --sort since --once",
            "civitas top topology.yaml --json",
        )
    )(top)
    app.command(
        epilog=examples(
            "civitas tree topology.yaml",
            "civitas tree --json    (of topology.yaml in this folder)",
        )
    )(tree)
    app.command(
        cls=OptionalTopology,
        epilog=examples(
            "civitas inspect topology.yaml writer",
            "civitas inspect writer    (of topology.yaml in this folder)",
            "civitas inspect topology.yaml writer --stack",
            "civitas inspect topology.yaml writer --profile 5s",
            "civitas inspect topology.yaml writer --json",
        ),
    )(inspect)


def _seconds(text: str | None) -> str | None:
    if text is None:
        return None
    from civitas.node.profiling import LONGEST

    number = text.removesuffix("s")
    try:
        seconds = float(number)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise typer.BadParameter(
            f"a number of seconds above 0 and up to {LONGEST:g}, such as 5s; got {text!r}"
        )
    return number


def top(
    topology: TopologyFile = HERE,
    once: Annotated[bool, typer.Option("--once", help="Print them once and exit.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print them once as JSON and exit.")
    ] = False,
    sort: Annotated[
        Order | None,
        typer.Option("--sort", help="Sort by this; the tree by default.", show_default=False),
    ] = None,
    filter: Annotated[
        str,
        typer.Option("--filter", metavar="GLOB", help="Only those whose name matches."),
    ] = "",
    status: Annotated[
        Doing | None,
        typer.Option("--status", help="Only those that do this.", show_default=False),
    ] = None,
    search: Annotated[
        str,
        typer.Option(
            "--search",
            metavar="TEXT",
            help="Only those whose name, message, conversation, run or step holds this.",
        ),
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Watch the agents of the running system, look into one, and act on it.

    What each handles and since when, its mailbox, restarts, rate and tokens.
    Refreshed each second, until the system stops, q or Ctrl-C; ? shows the keys.
    Without a terminal they are printed once.
    """
    from civitas.cli.watching import watch

    watch(topology, Choice(sort, filter, status, search), once=once, as_json=as_json)


def tree(topology: TopologyFile = HERE, as_json: Json = False, verbose: Verbose = False) -> None:
    """Print the tree of the running system: each agent, and what it does now."""
    from civitas.cli.inside import show_tree

    show_tree(topology, as_json=as_json)


def inspect(
    topology: TopologyFile = HERE,
    *,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the agent.", show_default=False)
    ],
    stack: Annotated[
        bool, typer.Option("--stack", help="Print only the stack of what it awaits.")
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="S",
            help="Look for S seconds, up to 60, where its time goes, such as 5s.",
            callback=_seconds,
        ),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Look into an agent of the running system.

    What it handles and since when, the stack of what it awaits, its last errors,
    the messages that wait, its state. On the machine where it runs, the stack is
    there although the event loop of its process is blocked.
    """
    from civitas.cli.inside import show_agent

    if stack and profile is not None:
        raise typer.BadParameter("--stack and --profile: give one of them")
    show_agent(
        topology,
        name,
        only_stack=stack,
        profile=None if profile is None else float(profile),
        as_json=as_json,
        verbose=verbose,
    )

"""`civitas topology ...`: arguments, help, and where each command is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from civitas.cli.options import HERE, TopologyFile, Verbose, examples

__all__ = ["topology_app"]

topology_app = typer.Typer(
    help="Check a topology, look at its tree, compare two of them.",
    epilog=examples(
        "civitas topology validate topology.yaml",
        "civitas topology show topology.yaml",
        "civitas topology diff old.yaml new.yaml",
        "civitas topology schema --output topology.schema.json",
    ),
    no_args_is_help=True,
)


@topology_app.command(
    epilog=examples(
        "civitas topology validate topology.yaml",
        "civitas topology validate topology.yaml --no-import",
        "civitas topology validate topology.yaml --process gpu",
    )
)
def validate(
    topology: TopologyFile = HERE,
    imports: Annotated[
        bool,
        typer.Option(
            "--import/--no-import",
            help="Also import what the file names, and construct the agents.",
        ),
    ] = True,
    process: Annotated[
        str | None,
        typer.Option(
            "--process",
            metavar="NAME",
            help="Check only the agents of this process, in this environment.",
        ),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Check a topology as `run` would, without starting it.

    Every mistake is one line with file, line and the nearest valid word.
    The agents of a process are checked with its interpreter and environment;
    those of one with 'start: false' only by --process, where it runs.
    """
    from civitas.cli.validating import validate_process, validate_topology

    if process is not None:
        validate_process(topology, process)
    else:
        raise typer.Exit(validate_topology(topology, imports=imports, verbose=verbose))


@topology_app.command(epilog=examples("civitas topology show topology.yaml"))
def show(topology: TopologyFile = HERE, verbose: Verbose = False) -> None:
    """Show the supervision tree of a topology: strategies, restart types, processes.

    Imports nothing that the file names.
    """
    from civitas.cli.topology import show_topology

    show_topology(topology)


@topology_app.command(
    epilog=examples(
        "civitas topology diff old.yaml new.yaml",
        "civitas topology diff a.yaml b.yaml --json",
        "civitas topology diff --runs topology.yaml",
    )
)
def diff(
    old: Annotated[
        Path, typer.Argument(metavar="A", help="The topology before.", show_default=False)
    ],
    new: Annotated[
        Path | None,
        typer.Argument(
            metavar="B",
            help="The topology after; with --runs by default A, in which the code has changed.",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[
        bool,
        typer.Option(
            "--runs",
            help="List instead the runs in A's state store that a deployment of B touches. Imports what B names.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verbose: Verbose = False,
) -> None:
    """Show what changes from one topology to another: agents, supervisors, options, order.

    Compares what they mean, not how they are written, and imports nothing.
    Exit code 0 when they mean the same, 1 when not; with --runs, 0 when no
    run is touched.
    """
    from civitas.cli.deployments import print_touched
    from civitas.cli.differences import print_differences

    if runs:
        raise typer.Exit(print_touched(old, new or old, as_json=as_json))
    if new is None:
        raise typer.BadParameter("name the topology after, too", param_hint="'B'")
    raise typer.Exit(print_differences(old, new, as_json=as_json))


@topology_app.command(
    epilog=examples(
        "civitas topology schema", "civitas topology schema --output topology.schema.json"
    )
)
def schema(
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it to a file.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Print the JSON Schema of topology files, with which editors complete and check them.

    Name it in the first line of a topology:
    # yaml-language-server: $schema=topology.schema.json
    """
    from civitas.cli.topology import write_schema

    write_schema(output)

"""The commands: their arguments, their help, and where each is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]


def examples(*lines: str) -> str:
    """The end of a help page; each line is a paragraph, as typer joins the lines of one."""
    return "\n\n".join(["Examples:", *(f"  [b]{line}[/b]" for line in lines)])


app = typer.Typer(
    name="civitas",
    help="Your agents stay up: run, check and begin systems of supervised agents.",
    epilog=examples("civitas demo", "civitas init hello", "civitas run hello/topology.yaml"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
topology_app = typer.Typer(
    help="Check a topology, or look at its tree.",
    epilog=examples(
        "civitas topology validate topology.yaml", "civitas topology show topology.yaml"
    ),
    no_args_is_help=True,
)
app.add_typer(topology_app, name="topology")

TopologyFile = Annotated[
    Path, typer.Argument(metavar="TOPOLOGY", help="The topology's YAML file.", show_default=False)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show tracebacks and everything that happens.")
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"civitas {version('civitas-core')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


@app.command(epilog=examples("civitas run topology.yaml", "civitas run topology.yaml --trace"))
def run(
    topology: TopologyFile,
    trace: Annotated[
        bool, typer.Option("--trace", help="Print each finished trace as a waterfall.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Run a topology until it is told to stop.

    Prints the tree once all agents are ready, then every crash and restart.

    SIGTERM or Ctrl-C lets the mailboxes run empty and stops the agents: exit
    code 0. A second one stops at once. When the root supervisor gives up, the
    exit code is 1.
    """
    from civitas.cli.running import run_topology

    raise typer.Exit(run_topology(topology, trace=trace, verbose=verbose))


@app.command(
    epilog=examples("civitas init hello", "civitas init . --name hello"),
)
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the system; that of the folder by default."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Write a small project that runs at once: a topology, two supervised agents, a README."""
    from civitas.cli.starting import write_project

    write_project(folder, name)


@app.command(epilog=examples("civitas plugins"))
def plugins(verbose: Verbose = False) -> None:
    """List the plugins found here: what each brings, where it comes from, what is broken."""
    from civitas.cli.plugins import list_plugins

    list_plugins()


@app.command(
    epilog=examples("civitas demo", "OPENAI_API_KEY=... civitas demo    (with a real model)")
)
def demo(verbose: Verbose = False) -> None:
    """A graph, an agent and a crew work on one task; one crashes, the answer still comes."""
    from civitas.demo import main

    raise typer.Exit(main(verbose=verbose))


@topology_app.command(
    epilog=examples(
        "civitas topology validate topology.yaml",
        "civitas topology validate topology.yaml --no-import",
    )
)
def validate(
    topology: TopologyFile,
    imports: Annotated[
        bool,
        typer.Option(
            "--import/--no-import",
            help="Whether to import what the file names and construct the agents too.",
        ),
    ] = True,
    verbose: Verbose = False,
) -> None:
    """Check a topology as `run` would, without starting it.

    Every mistake is one line with file, line and the nearest valid word.
    """
    from civitas.cli.topology import validate_topology

    validate_topology(topology, imports=imports)


@topology_app.command(epilog=examples("civitas topology show topology.yaml"))
def show(topology: TopologyFile, verbose: Verbose = False) -> None:
    """Show the supervision tree of a topology: strategies, restart types, processes.

    Imports nothing that the file names.
    """
    from civitas.cli.topology import show_topology

    show_topology(topology)

"""`civitas runs ...`: arguments, help, and where each command is carried out."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.cli.optional_topology import OptionalTopology
from civitas.cli.options import HERE, TopologyFile, Verbose, examples
from civitas.runs.info import RunStatus

__all__ = ["runs_app"]

runs_app = typer.Typer(
    help="Look at the runs of durable agents, or end one; in the state store if the system is not running.",
    epilog=examples(
        "civitas runs list topology.yaml",
        "civitas runs list topology.yaml --status running --agent shop",
        "civitas runs show topology.yaml order-17",
        "civitas runs result topology.yaml order-17",
        "civitas runs cancel topology.yaml order-17",
    ),
    no_args_is_help=True,
)

Run = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@runs_app.command(
    "list",
    epilog=examples(
        "civitas runs list topology.yaml",
        "civitas runs list topology.yaml --status waiting --json",
    ),
)
def list_(
    topology: TopologyFile = HERE,
    status: Annotated[
        RunStatus | None,
        typer.Option("--status", help="Only those with this status.", show_default=False),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", metavar="NAME", help="Only those of this agent, or pool."),
    ] = None,
    json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the runs, in the order in which they were accepted.

    Those that are under way, those that wait for a human, and those that have
    ended: since when, how often delivered, in which step, what each waits for,
    and what its models used.
    """
    from civitas.cli.runs import list_runs

    list_runs(topology, status, agent, as_json=json)


@runs_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas runs show topology.yaml order-17",
        "civitas runs show topology.yaml order-17 --json",
    ),
)
def show(
    topology: TopologyFile = HERE, *, run: Run, json: AsJson = False, verbose: Verbose = False
) -> None:
    """Print everything that is known of one run."""
    from civitas.cli.runs import show_run

    show_run(topology, run, as_json=json)


@runs_app.command(
    cls=OptionalTopology, epilog=examples("civitas runs cancel topology.yaml order-17")
)
def cancel(topology: TopologyFile = HERE, *, run: Run, verbose: Verbose = False) -> None:
    """End a run without an answer.

    Its handler is cancelled, and its conversation is as it was before it.
    """
    from civitas.cli.runs import cancel_run

    cancel_run(topology, run)


@runs_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas runs result topology.yaml order-17",
        "civitas runs result topology.yaml order-17 --timeout 600",
    ),
)
def result(
    topology: TopologyFile = HERE,
    *,
    run: Run,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", min=0.001, help="Seconds to wait for.")
    ] = 30.0,
    final: Annotated[
        bool,
        typer.Option("--final", help="Wait for the answers to its questions to a human, too."),
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print a text as it is, without quotes.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Print the payload of the answer of a run as JSON; wait for it while the system is running.

    A run that failed or was cancelled is one line on stderr and exit code 1. The
    answer of one that asked a human is the question, until that was answered.
    """
    from civitas.cli.runs import print_result

    print_result(topology, run, timeout, final=final, raw=raw, verbose=verbose)

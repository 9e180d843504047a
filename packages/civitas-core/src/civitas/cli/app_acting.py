"""The commands that act on an agent or a supervisor of a running system."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.cli.optional_topology import OptionalTopology
from civitas.cli.options import HERE, TopologyFile, Verbose, examples

__all__ = ["add_to"]

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name of the agent or supervisor.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (restart, stop, start, pause, resume):
        app.command(
            cls=OptionalTopology,
            epilog=examples(f"civitas {command.__name__} topology.yaml writer"),
        )(command)


def restart(topology: TopologyFile = HERE, *, name: Name, verbose: Verbose = False) -> None:
    """Stop an agent or a supervisor of the running system, and start it again.

    What waits in its mailbox waits for that. It does not count as a crash. Waits
    until it has started.
    """
    from civitas.cli.acting import act_on

    act_on(topology, "restart", name)


def stop(topology: TopologyFile = HERE, *, name: Name, verbose: Verbose = False) -> None:
    """Stop an agent or a supervisor of the running system until somebody starts it again.

    Waits until it has ended; its `shutdown_timeout` bounds that. Whoever asks it
    meanwhile is refused at once.
    """
    from civitas.cli.acting import act_on

    act_on(topology, "stop", name)


def start(topology: TopologyFile = HERE, *, name: Name, verbose: Verbose = False) -> None:
    """Start an agent or a supervisor of the running system that was stopped or has ended."""
    from civitas.cli.acting import act_on

    act_on(topology, "start", name)


def pause(topology: TopologyFile = HERE, *, name: Name, verbose: Verbose = False) -> None:
    """Let an agent, or all below a supervisor, take no more messages until somebody resumes it.

    It finishes the message in hand; what comes meanwhile waits in the mailbox. It
    stays paused when it is restarted.
    """
    from civitas.cli.acting import act_on

    act_on(topology, "pause", name)


def resume(topology: TopologyFile = HERE, *, name: Name, verbose: Verbose = False) -> None:
    """Let an agent, or all below a supervisor, take messages again after a pause."""
    from civitas.cli.acting import act_on

    act_on(topology, "resume", name)

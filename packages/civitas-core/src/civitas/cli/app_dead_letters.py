"""`civitas dead-letters ...`: arguments, help, and where each command is carried out."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.cli.optional_topology import OptionalTopology
from civitas.cli.options import HERE, TopologyFile, Verbose, examples
from civitas.events import DeadLetterReason

__all__ = ["dead_letters_app"]

dead_letters_app = typer.Typer(
    help="Look at the messages that nobody will handle, handle them again, or remove them; whether the system is "
    "running or not.",
    epilog=examples(
        "civitas dead-letters list topology.yaml",
        "civitas dead-letters show topology.yaml 17 --payload",
        "civitas dead-letters replay topology.yaml 17",
        "civitas dead-letters drop topology.yaml --all --reason expired",
    ),
    no_args_is_help=True,
)

Key = Annotated[
    str,
    typer.Argument(
        metavar="NUMBER", help="Its number, or the id of its message.", show_default=False
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NUMBER]...", help="Numbers, or ids of messages.", show_default=False),
]
Agent = Annotated[str, typer.Option("--agent", metavar="NAME", help="Only those of this agent.")]
Reason = Annotated[
    DeadLetterReason | None,
    typer.Option("--reason", help="Only those of this reason.", show_default=False),
]
Payload = Annotated[bool, typer.Option("--payload", help="Print payloads, too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
All = Annotated[
    bool, typer.Option("--all", help="All of them, or all that --agent and --reason choose.")
]


@dead_letters_app.command(
    "list",
    epilog=examples(
        "civitas dead-letters list topology.yaml",
        "civitas dead-letters list topology.yaml --agent writer --reason max_deliveries --json",
    ),
)
def list_(
    topology: TopologyFile = HERE,
    agent: Agent = "",
    reason: Reason = None,
    payload: Payload = False,
    json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the dead letters of a system, the oldest first."""
    from civitas.cli.dead_letters import Chosen, list_letters

    chosen = Chosen(agent=agent, reason=reason or "")
    list_letters(topology, chosen, payload=payload, as_json=json)


@dead_letters_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas dead-letters show topology.yaml 17",
        "civitas dead-letters show topology.yaml 17 --payload --json",
    ),
)
def show(
    topology: TopologyFile = HERE,
    *,
    number: Key,
    payload: Payload = False,
    json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print everything about one dead letter; its payload only with --payload."""
    from civitas.cli.dead_letters import show_letter

    show_letter(topology, number, payload=payload, as_json=json)


@dead_letters_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas dead-letters replay topology.yaml 17 18",
        "civitas dead-letters replay topology.yaml --all --agent writer",
    ),
)
def replay(
    topology: TopologyFile = HERE,
    numbers: Keys = None,
    all_: All = False,
    agent: Agent = "",
    reason: Reason = None,
    verbose: Verbose = False,
) -> None:
    """Put messages into the mailboxes of their agents again.

    Each keeps its id; nobody waits for its answer, and it has no deadline.
    """
    from civitas.cli.dead_letters import Chosen, replay_letters

    _check(numbers, all_, agent, reason)
    replay_letters(topology, Chosen(numbers or (), agent, reason or ""))


@dead_letters_app.command(
    cls=OptionalTopology,
    epilog=examples(
        "civitas dead-letters drop topology.yaml 17",
        "civitas dead-letters drop topology.yaml --all --reason expired --yes",
    ),
)
def drop(
    topology: TopologyFile = HERE,
    numbers: Keys = None,
    all_: All = False,
    agent: Agent = "",
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    verbose: Verbose = False,
) -> None:
    """Remove dead letters.

    Asks first on a terminal; elsewhere it needs --yes.
    """
    from civitas.cli.dead_letters import Chosen, drop_letters

    _check(numbers, all_, agent, reason)
    drop_letters(topology, Chosen(numbers or (), agent, reason or ""), yes=yes)


def _check(
    numbers: list[str] | None, all_: bool, agent: str, reason: DeadLetterReason | None
) -> None:
    if bool(numbers) == all_:
        raise typer.BadParameter("give numbers, or --all")
    if numbers and (agent or reason):
        raise typer.BadParameter("--agent and --reason go with --all")

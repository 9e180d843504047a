"""The commands: their arguments, their help, and where each is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from civitas.cli import app_acting, app_inside
from civitas.cli.app_dead_letters import dead_letters_app
from civitas.cli.app_deploy import deploy_app
from civitas.cli.app_keys import keys_app
from civitas.cli.app_runs import runs_app
from civitas.cli.app_state import state_app
from civitas.cli.app_topology import topology_app
from civitas.cli.optional_topology import GroupedCommands, OptionalTopology
from civitas.cli.options import HERE, Json, Settings, TopologyFile, Verbose, changes_of, examples

__all__ = ["app"]

app = typer.Typer(
    name="civitas",
    cls=GroupedCommands,
    help="Your agents stay up: create, check and run systems of supervised agents.",
    epilog=examples("civitas demo", "civitas init hello", "civitas run hello/topology.yaml"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app_inside.add_to(app)
app_acting.add_to(app)
app.add_typer(topology_app, name="topology")
app.add_typer(deploy_app, name="deploy")
app.add_typer(state_app, name="state")
app.add_typer(runs_app, name="runs")
app.add_typer(keys_app, name="keys")
app.add_typer(dead_letters_app, name="dead-letters")


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
            "--version", help="Print the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


@app.command(
    epilog=examples(
        "civitas run topology.yaml",
        "civitas run topology.yaml --trace",
        "civitas run topology.yaml --reload",
        "civitas run topology.yaml --process gpu",
        "civitas run topology.yaml --set transport.servers=nats://nats:4222",
    )
)
def run(
    topology: TopologyFile = HERE,
    process: Annotated[
        str | None,
        typer.Option(
            "--process",
            metavar="NAME",
            help="Run as this process of the topology, one with 'start: false'.",
        ),
    ] = None,
    settings: Settings = None,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload", help="For development: start it again when its code or the file changes."
        ),
    ] = False,
    takeover: Annotated[
        bool,
        typer.Option(
            "--takeover", help="Take over from the version that runs, with the runs under way."
        ),
    ] = False,
    standby: Annotated[
        bool,
        typer.Option(
            "--standby",
            help="With --process: wait while another has its name, and take its place then.",
        ),
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="Print each finished trace as a waterfall.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Run a topology until it is told to stop.

    Starts its OS processes too. Prints the tree once all agents are ready,
    then every crash and restart.

    SIGTERM, Ctrl-C or the end of its terminal lets the mailboxes empty and
    stops the agents: exit code 0. A second one stops at once. When the root supervisor gives up, the
    exit code is 1.

    With --process, hosts the agents of that process for a root that runs
    elsewhere: joins it, waits for it if it is not there, and joins the
    next one when it is gone. With --standby, it waits while another process
    has that name.

    With --reload, new code is tried out when a file changes: while it is broken,
    the old one runs on; otherwise that is drained, and the new one started.
    """
    changes = changes_of(settings)
    if takeover and (reload or process is not None):
        raise typer.BadParameter("--takeover goes with neither --reload nor --process")
    if standby and (reload or process is None):
        raise typer.BadParameter("--standby goes with --process, and not with --reload")
    if reload:
        from civitas.cli.reloading import run_reloading

        options = [f"--set={each}" for each in settings or ()]
        options += [f"--process={process}"] if process is not None else []
        options += [flag for flag, on in (("--trace", trace), ("--verbose", verbose)) if on]
        raise typer.Exit(run_reloading(topology, options))
    if process is not None:
        from civitas.cli.hosting import host_process

        if trace:
            raise typer.BadParameter("the root shows the traces; give --trace there")
        raise typer.Exit(
            host_process(topology, process, changes, stands_by=standby, verbose=verbose)
        )
    from civitas.cli.running import run_topology

    raise typer.Exit(
        run_topology(topology, changes, takeover=takeover, trace=trace, verbose=verbose)
    )


def _payload(text: str) -> Any:
    from civitas.cli.payloads import parse_json

    try:
        return parse_json(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _seconds(value: float) -> float:
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"a number of seconds above 0; got {value:g}")
    return value


def _headers(lines: list[str]) -> list[str]:
    names = set[str]()
    for line in lines:
        name, is_given, _ = line.partition("=")
        if not name or not is_given or not line.isprintable():
            raise typer.BadParameter(f"a header must be NAME=VALUE; got {line!r}")
        if name in names:
            raise typer.BadParameter(f"the header {name!r} is given twice")
        if name.startswith("civitas-"):
            raise typer.BadParameter(
                f"the header {name!r}: those that begin with civitas- are set by Civitas itself"
            )
        names.add(name)
    return lines


AgentName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the agent.", show_default=False)
]
Payload = Annotated[
    str,
    typer.Argument(
        metavar="JSON",
        help="The payload as JSON; - reads it from stdin.",
        show_default=False,
        callback=_payload,
    ),
]
MessageType = Annotated[str, typer.Option("--type", metavar="T", help="Type of the message.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", metavar="S", help="Seconds to wait for.", callback=_seconds),
]
Conversation = Annotated[
    str | None,
    typer.Option("--conversation", metavar="C", help="Id of the conversation it belongs to."),
]
Headers = Annotated[
    list[str],
    typer.Option(
        "--header",
        metavar="NAME=VALUE",
        help="A header of the message; may be given several times.",
        callback=_headers,
        show_default=False,
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="R",
        help="Name of the run that it begins at a durable agent: the same again is not done again.",
    ),
]


@app.command(
    cls=OptionalTopology,
    epilog=examples(
        """civitas ask topology.yaml counter '{"by": 2}'""",
        """civitas ask topology.yaml writer '{"input": "a haiku"}' --timeout 120""",
        """civitas ask topology.yaml support '{"input": "hi"}' --conversation user-42""",
        """civitas ask topology.yaml shop '{"item": "book"}' --run order-17""",
        "civitas ask topology.yaml planner - < plan.json",
    ),
)
def ask(
    topology: TopologyFile = HERE,
    *,
    name: AgentName,
    payload: Payload,
    type: MessageType = "message",
    timeout: Timeout = 30.0,
    conversation: Conversation = None,
    run: RunName = None,
    header: Headers = [],  # noqa: B006  # typer reads it
    raw: Annotated[
        bool, typer.Option("--raw", help="Print a text reply as it is, without quotes.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Ask an agent of the running system, and print the payload of its reply as JSON.

    On a terminal it is indented, otherwise one line. An error is one line on stderr
    and exit code 1. Ctrl-C withdraws what was asked.
    """
    from civitas.cli.asking import Question, ask_agent, headers_of

    question = Question(name, payload, type, timeout, conversation, run, headers_of(header))
    ask_agent(topology, question, raw=raw, verbose=verbose)


@app.command(
    cls=OptionalTopology,
    epilog=examples(
        """civitas send topology.yaml counter '{"by": 2}'""",
        "civitas send topology.yaml clock null --type tick",
    ),
)
def send(
    topology: TopologyFile = HERE,
    *,
    name: AgentName,
    payload: Payload,
    type: MessageType = "message",
    timeout: Timeout = 30.0,
    conversation: Conversation = None,
    run: RunName = None,
    header: Headers = [],  # noqa: B006  # typer reads it
    verbose: Verbose = False,
) -> None:
    """Send a message to an agent of the running system.

    Waits only while the mailbox of that agent is full. Prints nothing.
    """
    from civitas.cli.asking import Question, headers_of, send_to_agent

    question = Question(name, payload, type, timeout, conversation, run, headers_of(header))
    send_to_agent(topology, question, verbose=verbose)


@app.command(cls=OptionalTopology, epilog=examples("civitas scale topology.yaml support 5"))
def scale(
    topology: TopologyFile = HERE,
    *,
    name: AgentName,
    replicas: Annotated[
        int,
        typer.Argument(
            metavar="N", min=1, help="How many processes to have behind it.", show_default=False
        ),
    ],
    verbose: Verbose = False,
) -> None:
    """Let N processes stand behind a name of the running system that has 'replicas' in the topology.

    Waits until they do: those that are added have started; one that is removed has
    finished what it was sent, and its conversations go on in the others. Ctrl-C
    ends the waiting and not the change. The topology's number counts again when
    the system is started the next time.
    """
    from civitas.cli.acting import scale_to

    scale_to(topology, name, replicas)


@app.command(
    epilog=examples(
        "civitas web topology.yaml",
        "CIVITAS_WEB_TOKEN=... civitas web topology.yaml --host 0.0.0.0",
    )
)
def web(
    topology: TopologyFile = HERE,
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8600,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="CIVITAS_WEB_TOKEN",
            help="What whoever acts must know; needed off loopback.",
        ),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Serve a page that shows the running system, and updates itself.

    Read-only unless there is a token. It outlives the system, and shows it
    again when it is back; Ctrl-C ends it.
    """
    from civitas.cli.serving import serve_page

    serve_page(topology, host=host, port=port, token=token)


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


@app.command(epilog=examples("civitas plugins", "civitas plugins --json"))
def plugins(as_json: Json = False, verbose: Verbose = False) -> None:
    """List the plugins found here: what each brings, where it comes from, what is broken."""
    from civitas.cli.plugins import list_plugins

    list_plugins(as_json=as_json)


@app.command(
    epilog=examples("civitas demo", "OPENAI_API_KEY=... civitas demo    (with a real model)")
)
def demo(verbose: Verbose = False) -> None:
    """A graph, an agent and a crew work on one task; one crashes, the answer still comes."""
    from civitas.demo import main

    raise typer.Exit(main(verbose=verbose))

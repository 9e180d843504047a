"""From a topology to the `Deployment` of its deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any

from civitas.deploy.deployment import DATA, ROOT, Deployment, HttpPort, Unit
from civitas.deploy.kubernetes_parts import kubernetes_name
from civitas.deploy.nats_plan import server_of
from civitas.deploy.scalers import scalers_of
from civitas.deploy.secrets import SECRET_FILES, SecretFile, Variable, variables_of, written_out
from civitas.plugins import PluginManager
from civitas.topology import Links, Topology, load_without_environment
from civitas.topology.grammar import AgentEntry, ProcessEntry
from civitas.topology.positions import Path
from civitas.topology.problems import Problem, topology_error
from civitas.topology.source import Source, read

__all__ = ["deployment_of"]

_MARGIN = 5.0
"""Seconds for what comes behind the last agent: spans, connections, the interpreter."""
_SHUTDOWN = 30.0
"""Seconds that are counted for an agent that may take any time to stop."""
_START = 120.0
"""Seconds that a container gets to come, if the topology says nothing: its image may have to be fetched."""
_ANY = "0.0.0.0"  # noqa: S104  (all that a container has)
_PORT = 8700


def deployment_of(file: FilePath, *, nats: str = "") -> Deployment:
    """What there is to deploy of a topology. Reads no environment variable, and imports nothing that it names.

    Args:
        file: The topology.
        nats: The host of a NATS server that would be deployed with it, each process being in a container; empty if the
            processes are on the machine as it is. ``{system}`` in it stands for the system, as Kubernetes has its name.

    Raises:
        TopologyError: The topology is not valid, or cannot be deployed like that.
    """
    topology, said = load_without_environment(file), read(file, ())
    spans = _spans_machines(topology)
    problems: list[Problem] = []
    server, remarks, settings = None, list[str](), list[str]()
    edge = _port_of(topology)
    of_state = list(_settings_of_state(topology)) if nats else []
    of_edge = list(_settings_of_edge(topology, edge)) if nats else []
    if nats:
        problems += _beyond_containers(topology, said, spans=spans)
        url = f"nats://{nats.format(system=kubernetes_name(topology.name))}:4222"
        server, remarks = server_of(topology, said, url, problems)
        settings = [*(server.settings if server else ()), *of_state]
        if edge is not None and not edge.open:
            remarks.append(
                "nobody outside of its container reaches the HTTP edge, as it has no token: write "
                "edge: {http: {token: ${EDGE_TOKEN}}}"
            )
    if problems:
        raise topology_error(problems, said.file)
    units = [Unit(ROOT, ROOT, _longest_start(topology)), *_beside(topology, spans=spans)]
    elects = (
        topology.transport.type == "nats"
        and topology.transport.further.get("jetstream") is not False
    )
    drain = topology.runtime.drain_timeout
    # The root ends its steps, and then it may wait as long for what the next root answers.
    answers = drain if elects else 0.0
    settings += _settings_of_processes(topology, units, containers=bool(nats))
    told = {*(server.variables if server else ())}
    return Deployment(
        topology=file,
        system=topology.name,
        units=tuple(units),
        settings=tuple(settings),
        settings_of_root=tuple(of_edge),
        settings_of_image=(*of_state, *of_edge),
        variables=tuple(
            Variable(each.name, each.required or each.name in told) for each in variables_of(said)
        ),
        files=tuple(_once_each(topology)),
        drain=drain,
        grace=round(drain + _longest_shutdown(topology) + answers + _MARGIN),
        edge=edge,
        nats=server,
        state_file=_state_file(topology),
        elects=elects,
        scalers=scalers_of(topology, _first_server(topology) if server is None else server.url),
        remarks=tuple(remarks),
    )


def _spans_machines(topology: Topology) -> bool:
    """Whether its processes may be started by themselves, wherever they are."""
    match topology.transport.type:
        case "nats":
            return True
        case "in_process" | "zmq":
            return False  # over TCP each one needs an address that the others reach
    return Links(topology, PluginManager()).spans_machines


def _beyond_containers(topology: Topology, said: Source, *, spans: bool) -> list[Problem]:
    problem = said.problem
    found = [
        problem(
            path,
            f"{_key(path)!r} is written out, and would be in the image; write a variable, "
            f"such as ${{{_key(path).upper()}}}",
        )
        for path in written_out(said)
    ]
    found += [
        problem(
            path,
            f"no container finds {text!r}; write a path without a home and without variables, or one variable alone, "
            f"such as ${{NATS_{_key(path).upper()}}}",
        )
        for path, text in _files(topology)
        if SecretFile(text).unfit
    ]
    found += [
        problem(
            path,
            f"{text!r} and {other!r} would be the same secret, {SecretFile(text).key!r}; rename one of the files",
        )
        for path, text, other in _alike(topology)
    ]
    if spans:
        if "context" in topology.transport.further:
            text = "a 'context' is kept in the home of a user; write 'servers' and how to log in"
            found.append(problem(("transport", "context"), text))
        return found
    text = (
        "each process with 'start: false' is a container of its own, and sockets of one machine do not reach it; "
        "write transport: {type: nats, servers: [...]}, or leave out 'start: false': the root starts it"
    )
    found += [
        problem(("processes", name, "start"), text)
        for name, entry in topology.processes.items()
        if not entry.start
    ]
    if "keys" in topology.transport.further:
        text = "leave 'keys' out: all processes are in one container"
        found.append(problem(("transport", "keys"), text))
    address = topology.transport.further.get("address")
    if isinstance(address, str) and not address.startswith(("tcp://127.0.0.1:", "ipc://")):
        text = "no container has this address; leave it out, as all processes are in one container"
        found.append(problem(("transport", "address"), text))
    return found


def _beside(topology: Topology, *, spans: bool) -> Iterator[Unit]:
    """The processes that are started beside the root."""
    places = dict.fromkeys(topology.processes)
    members: dict[str, list[str]] = {name: [] for name in places}
    for _, _, entry in topology.walk():
        if isinstance(entry, AgentEntry) and entry.process:
            members.setdefault(entry.process, []).extend(process for _, process in entry.places())
    for family, processes in members.items():
        said = topology.processes.get(family, ProcessEntry())
        # One with a Python of its own is started by the root: nobody else has that.
        if said.start and (not spans or said.python is not None):
            continue
        for process in dict.fromkeys(processes):
            yield Unit(process, family, said.start_timeout)


def _settings_of_processes(
    topology: Topology, units: list[Unit], *, containers: bool
) -> Iterator[str]:
    for family in dict.fromkeys(each.family for each in units if each.process != ROOT):
        said = topology.processes.get(family, ProcessEntry())
        key = f'processes."{family}"' if "." in family else f"processes.{family}"
        if said.start:
            yield f"{key}.start=false"
        if containers and "start_timeout" not in said.stated:
            yield f"{key}.start_timeout={_START:g}"


def _settings_of_state(topology: Topology) -> Iterator[str]:
    if file := _state_file(topology):
        name = FilePath(file).name
        yield f"state.path={DATA}/{'civitas.db' if '${' in name else name}"


def _settings_of_edge(topology: Topology, edge: HttpPort | None) -> Iterator[str]:
    said = topology.edge.http
    if edge is not None and said is not None:
        if edge.open and said.host != _ANY:
            yield f"edge.http.host={_ANY}"
        if said.port != edge.port:
            yield f"edge.http.port={edge.port}"


def _port_of(topology: Topology) -> HttpPort | None:
    said = topology.edge.http
    return None if said is None else HttpPort(said.port or _PORT, said.token is not None)


def _state_file(topology: Topology) -> str:
    if topology.state is None or topology.state.type != "sqlite":
        return ""
    path: Any = topology.state.further.get("path")
    return path if isinstance(path, str) and not path.startswith(":") else ""


def _key(path: tuple[Any, ...]) -> str:
    """The key of something that may stand in a list."""
    return next(each for each in reversed(path) if isinstance(each, str))


def _first_server(topology: Topology) -> str:
    servers = topology.transport.further.get("servers", "nats://127.0.0.1")
    return str(servers if isinstance(servers, str) else servers[0])


def _files(topology: Topology) -> Iterator[tuple[Path, str]]:
    """The files with secrets, each with where the topology names it."""
    entries = {"transport": topology.transport.further}
    if topology.state is not None:
        entries["state"] = topology.state.further
    for top, entry in entries.items():
        tls = entry.get("tls")
        named: list[tuple[Path, Any]] = [((top, key), entry.get(key)) for key in SECRET_FILES]
        named += (
            [((top, "tls", key), text) for key, text in tls.items()]
            if isinstance(tls, dict)
            else []
        )
        yield from (
            (path, text) for path, text in named if isinstance(text, str) and text != "none"
        )


def _once_each(topology: Topology) -> Iterable[SecretFile]:
    """The files with secrets: one that is named in two ways, as `./a` and as `a`, is one."""
    found: dict[str, SecretFile] = {}
    for _, text in _files(topology):
        file = SecretFile(text)
        found.setdefault(file.there, file)
    return found.values()


def _alike(topology: Topology) -> Iterator[tuple[Path, str, str]]:
    """Those that would be the same secret as another one, each with where it is named, and that other one."""
    taken: dict[str, SecretFile] = {}
    for path, text in _files(topology):
        file = SecretFile(text)
        other = taken.setdefault(file.key, file)
        if other.there != file.there:
            yield path, text, other.path


def _longest_shutdown(topology: Topology) -> float:
    entries = [entry for _, _, entry in topology.walk() if isinstance(entry, AgentEntry)]
    given = [each.shutdown_timeout for each in entries]
    return max((_SHUTDOWN if each is None else each for each in given), default=0.0)


def _longest_start(topology: Topology) -> float | None:
    """Seconds in which the root should be ready: it waits for one process after another."""
    given = [each.start_timeout for each in topology.processes.values()]
    known = [each for each in given if each is not None]
    return None if len(known) < len(given) else sum(known) + _START

"""From what a topology exposes to the ways by which the outside reaches that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.errors import ConfigurationError
from civitas.topology.grammar import AgentEntry, Topology
from civitas.topology.problems import Problem, named_in

if TYPE_CHECKING:
    from civitas.edge import Edge

__all__ = ["edge_problems", "edges_of"]


def edge_problems(topology: Topology) -> list[Problem]:
    """What is exposed by nothing that could do so, or to everybody."""
    return [*_not_over_nats(topology), *_http_problems(topology)]


def _not_over_nats(topology: Topology) -> list[Problem]:
    if topology.transport.type == "nats":
        return []
    text = (
        "'expose' makes an agent of the Synadia Agent Protocol, which is spoken over NATS; write "
        "transport: {type: nats, servers: [...]} in this file, or leave it out"
    )
    return [
        topology.source.problem((*path, "expose"), text)
        for path, _, entry in topology.walk()
        if isinstance(entry, AgentEntry) and entry.expose
    ]


def edges_of(topology: Topology) -> list[Edge]:
    """The ways to what a topology exposes, not open.

    Raises:
        ConfigurationError: Something that they need is not installed, or not there.
    """
    return [*_nats_agents_of(topology), *_http_of(topology)]


def _http_of(topology: Topology) -> list[Edge]:
    said = topology.edge.http
    if said is None:
        return []
    from civitas.edge.http import HttpEdge, HttpOptions

    options = HttpOptions(said.host, said.port, said.token, said.max_body)
    return [HttpEdge(options, topology.name)]


def _http_problems(topology: Topology) -> list[Problem]:
    try:
        _http_of(topology)
    except ConfigurationError as error:
        said = topology.edge.http
        key = named_in(str(error).partition(": ")[2], said.stated) if said else None
        return [topology.source.problem(("edge", "http", key or "host"), str(error))]
    return []


def _nats_agents_of(topology: Topology) -> list[Edge]:
    names = [
        entry.name
        for _, _, entry in topology.walk()
        if isinstance(entry, AgentEntry) and entry.expose
    ]
    if not names:
        return []
    # Imported here: most systems expose nothing.
    from civitas.brokers.nats import NatsOptions
    from civitas.edge.nats_agents import ExposedAgents

    said = topology.transport.further
    options = NatsOptions.of(said, topology.source.folder)
    options.keywords()  # says now what is not installed, or not there
    return [ExposedAgents(options, said.get("prefix", "civitas"), topology.name, names)]

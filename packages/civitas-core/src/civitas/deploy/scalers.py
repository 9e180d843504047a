"""How a scaler learns how many replicas an agent needs: from what waits in its mailbox on the NATS server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from civitas.topology import Topology
from civitas.topology.grammar import AgentEntry
from civitas.topology.kept import kept_elsewhere
from civitas.transport.nats.mailboxes import MailboxNames

__all__ = ["Scaler", "scalers_of"]


@dataclass(frozen=True)
class Scaler:
    """What a scaler reads.

    Attributes:
        agent: The agent or pool.
        replicas: How many the topology gives it.
        stream: The stream with its mailbox.
        consumer: Its consumer, whose lag is what is not finished.
        host: Of the server.
    """

    agent: str
    replicas: int
    stream: str
    consumer: str
    host: str


def scalers_of(topology: Topology, server: str) -> dict[str, Scaler]:
    """By process, those of the agents with replicas whose messages the server keeps.

    Args:
        topology: The topology.
        server: URL of the server.
    """
    said = topology.transport.further
    if topology.transport.type != "nats" or said.get("jetstream") is False:
        return {}
    names = MailboxNames.of(said.get("prefix", "civitas"), topology.name)
    kept = dict(kept_elsewhere(topology, said.get("jetstream") is True))
    found = {}
    for _, _, entry in topology.walk():
        if isinstance(entry, AgentEntry) and entry.replicas > 1 and entry.name in kept:
            wanted = kept[entry.name]
            address = names.address(entry.name, wanted.size, several=wanted.several)
            stream, consumer = names.stream(address), names.consumer(address)
            host = urlsplit(server).hostname or ""
            found[entry.process] = Scaler(entry.name, entry.replicas, stream, consumer, host)
    return found

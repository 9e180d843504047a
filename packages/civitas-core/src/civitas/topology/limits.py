"""What a topology may say that this version cannot run yet: refused with a sentence, never passed over."""

from __future__ import annotations

from civitas.topology.model import AgentEntry, Serializer, Topology
from civitas.topology.problems import Problem, unknown_word

__all__ = ["beyond"]

_PLANNED = ("zmq", "nats")
_ADAPTERS_LATER = {"durable", "per_conversation"}
_LATER = "which this version does not have yet"


def beyond(topology: Topology, transports: tuple[str, ...]) -> list[Problem]:
    """What of `topology` this version cannot run.

    Args:
        topology: A valid topology.
        transports: The transports there are.
    """
    problem = topology.source.problem
    found = []
    kind = topology.transport.type
    if kind in _PLANNED and kind not in transports:
        found.append(
            problem(
                ("transport", "type"),
                f"the transport {kind!r} is not in this version yet; take the line out, or write "
                "in_process, to run everything in one OS process",
            )
        )
    elif kind not in transports:
        words = (*transports, *_PLANNED)
        found.append(problem(("transport", "type"), unknown_word("transport", kind, words)))
    else:
        for key in topology.transport.further:
            text = f"unknown key {key!r}: the transport {kind!r} takes no keys beside 'type'"
            found.append(problem(("transport", key), text))
    if topology.serializer is Serializer.JSON:
        found.append(
            problem(
                ("serializer",),
                "'serializer: json' is for messages between OS processes, which need the ZMQ "
                f"transport, {_LATER}; take the line out",
            )
        )
    found += [
        problem(
            ("processes", name),
            f"process {name!r} needs the ZMQ transport, {_LATER}; take it out of 'processes' "
            "to run its agents in this process",
        )
        for name in topology.processes
    ]
    for path, _, entry in topology.walk():
        if isinstance(entry, AgentEntry) and entry.process:
            text = f"'process: {entry.process}' of {entry.name!r} needs the ZMQ transport, {_LATER}"
            found.append(
                problem((*path, "process"), f"{text}; take the line out to run it in this process")
            )
        if isinstance(entry, AgentEntry) and entry.wrap:
            for key in _ADAPTERS_LATER & entry.further.keys():
                text = f"{key!r} is not in this version yet; take the line out"
                found.append(problem((*path, key), text))
    return found

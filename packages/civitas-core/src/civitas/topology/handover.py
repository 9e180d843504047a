"""A checked topology as the root hands it to the processes that it starts, which read and check nothing again.

A process that was not started by the root reads its own, and shows by a digest that it is the same.
"""

from __future__ import annotations

import hashlib
import json
import pickle

import msgpack

from civitas.errors import ConfigurationError
from civitas.topology.grammar import Topology

__all__ = ["digest_of", "handed_over", "taken_over"]


def handed_over(topology: Topology) -> bytes:
    """What `taken_over` makes the same topology of.

    Raises:
        ConfigurationError: It was given as a dict, with an object in it that a YAML file could not hold.
    """
    try:
        msgpack.packb(topology.source.data)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"the topology holds what cannot be handed to another OS process: {error}; a dict may hold there only "
            "what a YAML file could"
        ) from None
    return pickle.dumps(topology)


def taken_over(raw: bytes) -> Topology:
    """The topology that the root handed over, by the pipe that only it writes to."""
    topology: Topology = pickle.loads(raw)  # noqa: S301
    return topology


_MATTERS = ("supervision", "processes", "state", "model", "tools", "serializer")
"""The keys that say what runs in a process, and how."""


def digest_of(topology: Topology) -> str:
    """The same for two topologies whose processes host the same agents in the same way."""
    data = topology.source.data
    matters = {key: data[key] for key in _MATTERS if key in data}
    return hashlib.sha256(json.dumps(matters, sort_keys=True, default=str).encode()).hexdigest()

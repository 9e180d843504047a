"""A checked topology as the root hands it to the processes that it starts, which read and check nothing again."""

from __future__ import annotations

import pickle

import msgpack

from civitas.errors import ConfigurationError
from civitas.topology.grammar import Topology

__all__ = ["handed_over", "taken_over"]


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

"""The gauges of a node: what is looked at when somebody exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

from civitas.node.accounts import accounts_of
from civitas.node.registry import Registry
from civitas.telemetry import names
from civitas.telemetry.instruments import Gauges, Point

__all__ = ["gauges_of", "states_of"]

_STATES = ("up", "starting", "leaving", "down")


def gauges_of(name: str, registry: Registry, asks: Sized) -> Gauges:
    """The gauges of one node, by their names.

    Args:
        name: Of the node.
        registry: Knows its agents.
        asks: Those that wait for their answers.
    """

    def depths() -> Iterable[Point]:
        for account in accounts_of(registry):
            yield account.waiting, {names.DESTINATION: account.name}

    def in_flight() -> Iterable[Point]:
        yield len(asks), {names.NODE_NAME: name}

    return {names.MAILBOX_DEPTH: depths, names.ASKS_IN_FLIGHT: in_flight}


def states_of(nodes: Mapping[str, str]) -> list[Point]:
    """The gauge of OS processes: 1 for the state that each is in, 0 for the others.

    Args:
        nodes: The state of each, by its name: `up`, `starting`, `leaving`, `down`.
    """
    return [
        (float(each == state), {names.NODE_NAME: node, names.NODE_STATE_NAME: each})
        for node, state in nodes.items()
        for each in _STATES
    ]

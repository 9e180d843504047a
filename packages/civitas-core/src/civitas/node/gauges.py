"""The gauges of a node: what is looked at when somebody exports."""

from __future__ import annotations

from collections.abc import Iterable, Sized

from civitas.node.accounts import accounts_of
from civitas.node.registry import Registry
from civitas.telemetry import names
from civitas.telemetry.instruments import Gauges, Point

__all__ = ["gauges_of"]


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

"""What a node does when another calls: one table, from the name of a call to a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from civitas.cluster.calls import Calls
from civitas.cluster.peers import Peer
from civitas.cluster.words import CALLS, CASTS
from civitas.errors import ConfigurationError

__all__ = ["Desk", "Hears", "Serves"]

Serves: TypeAlias = Callable[..., Awaitable[Any]]
"""Does what a call is for; takes the peer that calls, and the arguments."""
Hears: TypeAlias = Callable[..., None]
"""Does what a cast is for; takes the peer that casts, and the arguments."""


class Desk:
    """Does what other nodes call for.

    Args:
        name: Of this node.
        calls: Where calls are served.
        serves: What is done for each call.
        hears: What is done for each cast.
    """

    def __init__(
        self, name: str, calls: Calls, serves: Mapping[str, Serves], hears: Mapping[str, Hears]
    ) -> None:
        self._name = name
        self._calls = calls
        self._serves = serves
        self._hears = hears

    def called(self, peer: Peer, id: int, what: str, arguments: list[Any]) -> None:
        """A peer waits for the result of a call.

        Raises:
            ConfigurationError: Its arguments have the wrong shape.
        """
        serve = self._serves.get(what)
        if serve is None:
            self._calls.serve(peer, id, lambda: self._unknown(what))
            return
        shape = CALLS[what]
        if not shape.fits(arguments):
            raise ConfigurationError(f"the arguments of its call {what!r} have the wrong shape")
        self._calls.serve(peer, id, lambda: serve(peer, *arguments[: shape.most]))

    async def _unknown(self, what: str) -> None:
        raise ConfigurationError(f"node {self._name!r} does not know the call {what!r}")

    def told(self, peer: Peer, what: str, arguments: list[Any]) -> None:
        """A peer says something; what is not known comes from a newer one and is passed over.

        Raises:
            ConfigurationError: Its arguments have the wrong shape.
        """
        hear = self._hears.get(what)
        if hear is None:
            return
        shape = CASTS[what]
        if not shape.fits(arguments):
            raise ConfigurationError(f"the arguments of its {what!r} have the wrong shape")
        hear(peer, *arguments[: shape.most])

"""`AnswersForFormerRoots`: keeps the answers to what was asked at roots that led before, until those have them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from civitas.cluster.peers import Peer, Peers
from civitas.errors import DeliveryError, UnknownAgent
from civitas.message import Message, dumps
from civitas.node.asks import PendingAsks
from civitas.node.registry import Registry
from civitas.process.failures import dump_error

__all__ = ["AnswersForFormerRoots"]

_LOOK_AGAIN = 1.0
"""Seconds after which a node that asks for answers hears that there are none yet."""
_UNCLAIMED = 120.0
"""Seconds after which an answer that nobody asks for is dropped."""


class Inheriting(Protocol):
    """The root, as it is seen here."""

    peers: Peers
    registry: Registry

    @property
    def asks(self) -> PendingAsks:
        """The asks that wait."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""


class AnswersForFormerRoots:
    """Takes the answers to what was asked at roots that led before, and gives them to whoever waits there.

    Args:
        root: The root that leads now.
    """

    def __init__(self, root: Inheriting) -> None:
        self._root = root
        self._left: dict[str, float] = {}
        """The ids of the messages whose answers are missing, or not fetched, with the time until they are kept."""
        self._recipients: Mapping[str, str] = {}
        self._answers: dict[str, Message | DeliveryError] = {}
        self._came = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def serves(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What those who wait there call for."""
        return {"answers": self._fetch}

    @property
    def casts(self) -> dict[str, Callable[..., None]]:
        """What they tell."""
        return {"fetched": self._fetched}

    @property
    def asked(self) -> dict[str, str]:
        """Whom the messages are for whose answers somebody may still wait for, by id; empty if nobody knows."""
        return {id: self._recipients[id] for id in self._left}

    def take_over(self, boots: Iterable[str], asked: Mapping[str, str]) -> None:
        """These roots led before, and these of the messages that were sent there have no answer yet."""
        self.close()
        self._recipients = asked
        self._came = asyncio.Event()
        peers = self._root.peers
        peers.disinherit()
        for boot in boots:
            peers.gone(boot, "another root leads now")
            peers.inherits([boot], None)
        for id in asked:
            self._root.asks.kept[id] = partial(self._answered, id)
            self._keep(id)
        self._sweep_later()

    def has_started(self) -> None:
        """All agents have their place: nobody answers what is for one that this version does not have."""
        registry = self._root.registry
        for id, to in self.asked.items():
            if to and not registry.has(to):
                self._root.asks.answer(id, UnknownAgent(to, registry.closest(to)))

    async def _fetch(self, _: Peer, ids: list[str]) -> list[Any]:
        """Wait until some of these messages have their answers.

        Returns:
            For each of them its id, whether it is a reply, and that or the error; of those that nobody here knows only
            the id.
        """
        try:
            async with asyncio.timeout(_LOOK_AGAIN):
                while True:
                    came = self._came
                    if found := [self._told(id) for id in ids if self._is_known(id)]:
                        return found
                    await came.wait()
        except TimeoutError:
            return []

    def _fetched(self, _: Peer, ids: list[str]) -> None:
        """Whoever waited has these answers."""
        for id in ids:
            self._drop(id)

    def _is_known(self, id: str) -> bool:
        if id in self._left:
            self._keep(id)
        return id in self._answers or id not in self._left

    def _told(self, id: str) -> list[Any]:
        answer = self._answers.get(id)
        if answer is None:
            return [id]
        if isinstance(answer, Message):
            return [id, True, bytes(dumps(answer))]
        return [id, False, dump_error(answer)]

    def _answered(self, id: str, answer: Message | DeliveryError) -> None:
        self._answers[id] = answer
        came, self._came = self._came, asyncio.Event()
        came.set()

    def _keep(self, id: str) -> None:
        self._left[id] = self._root.loop.time() + _UNCLAIMED

    def _drop(self, id: str) -> None:
        self._left.pop(id, None)
        self._answers.pop(id, None)
        self._root.asks.kept.pop(id, None)

    def _sweep_later(self) -> None:
        self._sweep = None
        now = self._root.loop.time()
        for id in [id for id, until in self._left.items() if until <= now]:
            self._drop(id)
        if self._left:
            self._sweep = self._root.loop.call_later(_UNCLAIMED / 4, self._sweep_later)

    def close(self) -> None:
        """Take no more."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for id in list(self._left):
            self._drop(id)

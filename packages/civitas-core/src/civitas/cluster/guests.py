"""The root's side of those who ask something of a system without joining it: a command line on another machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from civitas.cluster.answers_for_former_roots import AnswersForFormerRoots
from civitas.cluster.calls import Calls
from civitas.cluster.desk import Desk
from civitas.cluster.frames import Kind
from civitas.cluster.looking import ViewServer
from civitas.cluster.members.admission import Hello
from civitas.cluster.peers import Peer, Peers, reach
from civitas.cluster.seal import Seal
from civitas.errors import ConfigurationError, NodeDown
from civitas.message import decode, encode
from civitas.node.asks import PendingAsks
from civitas.node.view import View
from civitas.transport.contract import Transport

__all__ = ["Answers", "Guests", "PassedOn"]

Answers: TypeAlias = Callable[
    [dict[str, Any], Callable[[str], object]], Awaitable[Mapping[str, Any]]
]
"""Does what a request says, tells the ids of the messages that it asks by, and returns the answer; raises nothing."""

_MOST = 100
"""So many may be there at once."""
_TURNS = 5
"""Of the event loop, until an answer has left."""
_LAST_WORDS = 1.0
"""Seconds for them to hear that the system stops."""


class PassedOn(NodeDown):
    """Another root answers a message that was asked here.

    Attributes:
        id: Of the message.
    """

    def __init__(self, id: str) -> None:
        super().__init__("the agent", "root", "another root leads")
        self.id = id


class Guests:
    """Lets in whoever shows the token of the system and wants to ask something: they host nothing.

    Args:
        boot: Of the root.
        seal: Of the system.
        transport: Of the root.
        peers: Whose frames are taken.
        calls: Where calls are served.
        former_answers: The answers to what was asked at roots that led before, which are guests then; None if none can
            be.
    """

    def __init__(
        self,
        boot: str,
        seal: Seal,
        transport: Transport,
        peers: Peers,
        calls: Calls,
        former_answers: AnswersForFormerRoots | None = None,
    ) -> None:
        self.answers: Answers | None = None
        """Answers them; None while nobody is let in."""
        self.edge: Mapping[str, Any] = {}
        """Where callers are let in, for a program that waits to lead, or has led."""
        self.started = False
        """Whether the system takes work; whoever runs it by a program of its own lets no guests ask anything."""
        self.passes = asyncio.Event()
        """Set when those that ask are to ask the next program, which may lead then."""
        self._boot = boot
        self._seal = seal
        self._transport = transport
        self._peers = peers
        self._calls = calls
        self._there: dict[str, Peer] = {}
        self._waiting: set[str] = set()
        """The ids of the messages that they asked by, and wait for."""
        self._view_server: ViewServer | None = None
        desk = Desk(
            "root",
            calls,
            {
                "control": self._asked,
                "edge": self._where,
                "started": self._has_started,
                **(former_answers.serves if former_answers is not None else {}),
            },
            {"left": self._left, **(former_answers.casts if former_answers is not None else {})},
        )
        self._takes: dict[int, Callable[..., None]] = {Kind.CALL: desk.called, Kind.CAST: desk.told}

    def __contains__(self, peer: Peer) -> bool:
        return peer.boot in self._there

    def let_look(self, view: View) -> None:
        """Show them this process also while its event loop is blocked, where its carrier can do that."""
        self._view_server = ViewServer(view, self._seal, self._transport)
        self._view_server.open()

    def refusal(self) -> str:
        """Why nobody is let in at this moment; empty if anybody is."""
        if self.answers is None:
            return "the system takes no requests: it is starting or stopping, or a program runs it by itself"
        if len(self._there) >= _MOST:
            return f"{_MOST} others ask something of the system at this moment; try again"
        return ""

    def hello(self, boot: str, hello: Hello) -> None:
        """Let one in."""
        lost = partial(self.gone, boot, "it cannot be reached")
        peer = reach(self._transport, f"guest {boot}", boot, hello.address, self._boot, lost)
        peer.takes = self._takes
        self._peers.met(peer)
        self._there[boot] = peer
        peer.introduce(Kind.WELCOME, self._seal, {"guest": True})

    async def _asked(self, peer: Peer, request: bytes) -> bytes:
        if self.answers is None:
            raise ConfigurationError("the system is stopping")
        asked = decode(request)
        if not isinstance(asked, dict):
            raise ConfigurationError("the request must be a mapping")
        ids: set[str] = set()

        def noted(id: str) -> None:
            ids.add(id)
            self._waiting.add(id)

        try:
            return encode(dict(await self.answers(asked, noted)), "answer")
        finally:
            self._waiting -= ids

    async def pass_on(self, asks: PendingAsks) -> None:
        """Tell those that wait to ask the next root for their answers."""
        for id in self._waiting & {*asks.ids}:
            asks.answer(id, PassedOn(id))
        await self.send_on()

    async def send_on(self) -> None:
        """Have those whose requests are not begun ask the next program."""
        self.passes.set()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def _where(self, _: Peer) -> dict[str, Any]:
        return dict(self.edge)

    async def _has_started(self, _: Peer) -> bool:
        """Whether the system takes work; asked by a root that led before, which is let in earlier."""
        return self.started

    def _left(self, peer: Peer) -> None:
        self.gone(peer.boot, "it left")

    def gone(self, boot: str, why: str) -> None:
        """One is gone: what it waited for is withdrawn."""
        peer = self._there.pop(boot, None)
        if peer is not None:
            self._calls.abandon(peer)
            self._peers.gone(boot, why)

    async def close(self) -> None:
        """Let nobody in any more, and tell those that are there that the system stops."""
        self.answers, self.started = None, False
        self.passes.clear()
        if self._view_server is not None:
            self._view_server.close()
        for peer in self._there.values():
            peer.cast("end")
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await asyncio.gather(*(peer.link.flushed() for peer in self._there.values()))
        for boot in list(self._there):
            self.gone(boot, "the system stops")

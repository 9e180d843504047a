"""`LeadHandover`: a root that passes on what it does to the one that leads next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from civitas.cluster.answers_for_former_roots import AnswersForFormerRoots
from civitas.cluster.guests import Guests
from civitas.cluster.members.succession_notes import SuccessionNotes
from civitas.cluster.next_root_client import NextRootClient
from civitas.cluster.peers import Peers
from civitas.cluster.seal import Seal
from civitas.node.asks import PendingAsks
from civitas.node.next_program import Forward
from civitas.transport.election import Lead, Yielding

__all__ = ["LeadHandover"]


class Leading(Protocol):
    """The root, as it is seen here."""

    boot: str
    peers: Peers
    lead: Lead | None
    transport: Any
    guests: Guests

    @property
    def asks(self) -> PendingAsks:
        """The asks that wait here."""


class LeadHandover:
    """What a root leaves to the next one; see `NextProgram`.

    Args:
        root: It.
        former_answers: The answers to what was asked at those before it.
        next_root: Asks the next root for the answers to what was asked here; None if there may be none.
        seal: Of the system.
    """

    def __init__(
        self,
        root: Leading,
        former_answers: AnswersForFormerRoots,
        next_root: NextRootClient | None,
        seal: Seal,
    ) -> None:
        self.active = False
        """Whether another root takes over when this one stops."""
        self.forward: Forward | None = None
        self._root = root
        self._former_answers = former_answers
        self._next_root = next_root
        if seal and isinstance(root.transport, Yielding):
            root.transport.other_roots.seal = seal.over

    @property
    def is_awaited(self) -> bool:
        """See `NextProgram.is_awaited`."""
        lead = self._root.lead
        return lead is not None and lead.watched

    @property
    def is_there(self) -> bool:
        """See `NextProgram.is_there`."""
        return not self.active or self._next_root is None or self._next_root.has_found

    def reset(self) -> None:
        """The system begins again."""
        self.active, self.forward = False, None
        if self._next_root is not None:
            self._next_root.reset()

    def begin(self, *, asked: bool) -> None:
        """This root ends.

        Args:
            asked: Whether another one has asked for that.
        """
        self.active = asked or self.is_awaited
        if self.active and self._next_root is not None:
            self.forward = self._next_root.forward

    def notes(self) -> SuccessionNotes:
        """What is asked here, or was at those before, without an answer yet, is for the next root."""
        root = self._root
        former, asked = (
            (*root.peers.former, root.boot),
            self._former_answers.asked | root.asks.asked,
        )
        return SuccessionNotes(former=former, asked=asked)

    def has_ended(self) -> None:
        """This root does not lead any more."""
        self._former_answers.close()
        if self._next_root is not None:
            self._next_root.begin()

    def take_over(self) -> None:
        """See `NextProgram.take_over`."""
        if isinstance(self._root.transport, Yielding):
            self._root.transport.other_roots.takes_over = True

    def show_edge(self, where: Mapping[str, Any]) -> None:
        """See `NextProgram.show_edge`."""
        self._root.guests.edge = where

    def has_started(self) -> None:
        """See `NextProgram.has_started`."""
        self._root.guests.started = True
        self._former_answers.has_started()

    async def find_edge(self) -> Mapping[str, Any]:
        """See `NextProgram.find_edge`."""
        if self._next_root is None:
            return {}
        return await self._next_root.find_edge(behind=self.active)

    def yields_to(self, asked: Callable[[], None]) -> None:
        """See `NextProgram.yields_to`."""
        if isinstance(self._root.transport, Yielding):
            self._root.transport.other_roots.yields = asked

    async def linger(self) -> None:
        """See `NextProgram.linger`."""
        if self.active and self._next_root is not None:
            await self._next_root.answer(self._root.asks)

    async def rested(self) -> None:
        """See `NextProgram.rested`."""
        if self._next_root is not None:
            await self._next_root.rested()

    async def found(self) -> None:
        """See `NextProgram.found`."""
        if self._next_root is not None:
            await self._next_root.find()

    async def leave_alone(self) -> None:
        """See `NextProgram.leave_alone`."""
        if self._next_root is not None:
            await self._next_root.close()

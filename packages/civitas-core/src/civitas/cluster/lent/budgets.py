"""Budgets across OS processes: the root has them, and lends of them to its members."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Protocol

from civitas.budgets import Amounts, Claim, Treasury
from civitas.budgets.purses import Shortage
from civitas.cluster.calls import Calls
from civitas.cluster.desk import Serves
from civitas.cluster.members.roster import Roster
from civitas.cluster.peers import Peer
from civitas.errors import NodeDown
from civitas.node.budgets import Budgets

__all__ = ["BudgetsAtRoot", "BudgetsForMembers", "HasBudgets"]

_LENT = "lent"
_SOON = 1.0
"""Seconds for a member to give back what it has."""


class HasBudgets(Protocol):
    """The root."""

    treasury: Treasury
    budgets: Budgets
    roster: Roster
    calls: Calls

    def _background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]: ...


class BudgetsForMembers:
    """Lends to the members, at the root, and has them give back what another one needs.

    Args:
        owner: The root.
    """

    def __init__(self, owner: HasBudgets) -> None:
        self._owner = owner
        owner.treasury.recall = self._recall
        self.serves: dict[str, Serves] = {
            "lease": self._lease,
            "budget_back": self._back,
            "raise_budget": self._raise,
        }
        """What is done for each call of a member."""

    async def _lease(
        self, _: Peer, claim: list[Any], missing: list[float], want: list[float]
    ) -> list[Any]:
        lent = await self._owner.treasury.lease(
            Claim.of_plain(claim), Amounts(*missing), Amounts(*want)
        )
        return [_LENT, *lent] if isinstance(lent, Amounts) else list(lent)

    async def _back(self, _: Peer, claim: list[Any], left: list[float], over: bool) -> None:
        self._owner.treasury.give_back(Claim.of_plain(claim), Amounts(*left), over=over)

    async def _raise(self, _: Peer, claim: list[Any], more: list[float]) -> None:
        await self._owner.treasury.raise_limit(Claim.of_plain(claim), Amounts(*more))

    async def _recall(self, key: str) -> Iterable[Amounts]:
        """What is left in the purses of every process; what a dead one had counts as spent."""
        members = (self._recall_from(peer, key) for peer in self._owner.roster.peers())
        found = await asyncio.gather(*members)
        return [*await self._owner.budgets.recall(key), *found]

    async def _recall_from(self, peer: Peer, key: str) -> Amounts:
        calling: asyncio.Task[Amounts] = self._owner._background(self._emptied(peer, key))
        answered, _ = await asyncio.wait({calling}, timeout=_SOON)
        if answered:
            return calling.result()
        # Its event loop is blocked, and nobody is to wait for that; what it has comes back later.
        calling.add_done_callback(lambda late: self._came_late(key, late))
        return Amounts()

    def _came_late(self, key: str, late: asyncio.Future[Amounts]) -> None:
        if not late.cancelled():
            self._owner.treasury.returned(key, late.result())

    async def _emptied(self, peer: Peer, key: str) -> Amounts:
        with suppress(NodeDown):
            return Amounts(*await self._owner.calls.call(peer, "recall", key))
        return Amounts()


class BudgetsAtRoot:
    """Where a member has what it may spend from; see `civitas.budgets.purses.Lends`.

    Args:
        call_root: Lets the root do something.
        background: Runs a coroutine that ends with the member.
    """

    def __init__(
        self,
        call_root: Callable[..., Awaitable[Any]],
        background: Callable[[Any], asyncio.Task[Any]],
    ) -> None:
        self._background = background
        self._call_root = call_root

    async def lease(self, claim: Claim, missing: Amounts, want: Amounts) -> Amounts | Shortage:
        """Have the root lend some."""
        calling = self._background(
            self._call_root("lease", claim.plain(), list(missing), list(want))
        )
        try:
            return _read(await asyncio.shield(calling))
        except (asyncio.CancelledError, GeneratorExit):
            # Whoever wanted it is gone; what comes all the same goes back, or it would count as spent.
            calling.add_done_callback(lambda done: self._not_wanted(claim, done))
            raise

    async def raise_limit(self, claim: Claim, more: Amounts) -> None:
        """Have the root let more be spent."""
        await self._call_root("raise_budget", claim.plain(), list(more))

    def give_back(self, claim: Claim, left: Amounts, *, over: bool) -> None:
        """Give back what is left."""
        if over or any(left):
            self._background(self._give_back(claim, left, over))

    async def _give_back(self, claim: Claim, left: Amounts, over: bool) -> None:
        with suppress(NodeDown):
            await self._call_root("budget_back", claim.plain(), list(left), over)

    def _not_wanted(self, claim: Claim, done: asyncio.Future[Any]) -> None:
        if not done.cancelled() and done.exception() is None:
            lent = _read(done.result())
            if isinstance(lent, Amounts):
                self.give_back(claim, lent, over=False)


def _read(answer: list[Any]) -> Amounts | Shortage:
    what, *amounts = answer
    return Amounts(*amounts) if what == _LENT else (what, *amounts)

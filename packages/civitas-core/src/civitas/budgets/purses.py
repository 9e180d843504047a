"""`Purses`: what this OS process may spend of each budget without asking the root again."""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol, TypeAlias

from civitas.budgets.allowance import Claim
from civitas.budgets.amounts import NO_LIMIT, Amounts
from civitas.budgets.prices import Prices

__all__ = ["Lends", "Purse", "Purses", "Shortage"]

Shortage: TypeAlias = tuple[str, float, float]
"""What there is not enough of, its limit, and how much of it is used."""


class Lends(Protocol):
    """Where the budgets are kept: the root."""

    async def lease(self, claim: Claim, missing: Amounts, want: Amounts) -> Amounts | Shortage:
        """Lend some of a budget, to be spent or given back; or say what there is not enough of.

        Args:
            claim: The budget.
            missing: The least that helps whoever asks, beside what it has.
            want: The least that helps once it had to give back what it has, as everybody else.
        """

    async def raise_limit(self, claim: Claim, more: Amounts) -> None:
        """Let more be spent of a budget, now and after every restart."""

    def give_back(self, claim: Claim, left: Amounts, *, over: bool) -> None:
        """Take back what is left of what was lent; a negative amount was spent beyond that.

        Args:
            claim: The budget.
            left: The amounts.
            over: Whether nobody will ask for this budget again, as it was for one message.
        """


class Purse:
    """What may be spent here of one budget. Every method but `filling` is for any thread.

    Args:
        claim: The budget.
    """

    __slots__ = ("_left", "_lock", "claim", "filling", "users")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.users = 0
        """How many messages that are handled now may spend from it."""
        self.filling = asyncio.Lock()
        """Held by whoever asks the root for more; belongs to the event loop of the node."""
        self._left = [NO_LIMIT if each == NO_LIMIT else 0 for each in claim.limits]
        self._lock = threading.Lock()

    def take(self, want: Amounts) -> bool:
        """Spend `want`, if there is enough of each thing."""
        calls, tokens, usd, seconds = want
        with self._lock:
            left = self._left
            if left[0] < calls or left[1] < tokens or left[2] < usd or left[3] < seconds:
                return False
            left[0] -= calls
            left[1] -= tokens
            left[2] -= usd
            left[3] -= seconds
            return True

    def give(self, amounts: Amounts) -> None:
        """Put this in; take it out if it is negative."""
        calls, tokens, usd, seconds = amounts
        with self._lock:
            left = self._left
            left[0] += calls
            left[1] += tokens
            left[2] += usd
            left[3] += seconds

    def missing(self, want: Amounts) -> Amounts:
        """How much more there must be for `want`."""
        with self._lock:
            return Amounts(*(max(each, 0) for each in want.minus(Amounts(*self._left))))

    def empty(self) -> Amounts:
        """Take out all that is left, or owed, of what has a limit."""
        with self._lock:
            left = self._left
            self._left = [each if each == NO_LIMIT else 0 for each in left]
        return Amounts(*(0 if each == NO_LIMIT else each for each in left))


class Purses:
    """The purses of an OS process, one for each budget that what is handled here counts against.

    Args:
        lends: The root.
    """

    def __init__(self, lends: Lends) -> None:
        self.lends = lends
        self.prices = Prices()
        """What models cost, as the root knows it."""
        self.usual: dict[str, Amounts] = {}
        """What the last call of each model wrote and cost: the best guess for the next one."""
        self.unpriced: set[str] = set()
        """Models of which nobody said what a call had cost."""
        self._open: dict[str, Purse] = {}
        self._lock = threading.Lock()
        """Held to open and close purses, as threads open them too."""

    def open(self, claim: Claim) -> Purse:
        """The purse for a budget; whoever opens it closes it again."""
        with self._lock:
            purse = self._open.get(claim.key)
            if purse is None:
                purse = self._open[claim.key] = Purse(claim)
            purse.users += 1
            return purse

    def close(self, purse: Purse, *, comes_again: bool = False) -> None:
        """A message that could spend from it is handled: the last one gives back what is left."""
        with self._lock:
            purse.users -= 1
            unused = purse.users == 0
            if unused:
                del self._open[purse.claim.key]
        if unused:
            over = purse.claim.ends and not comes_again
            self.lends.give_back(purse.claim, purse.empty(), over=over)

    async def fill(self, purse: Purse, want: Amounts) -> Shortage | None:
        """Have enough in a purse for `want`, unless the budget has no more."""
        async with purse.filling:
            missing = purse.missing(want)
            if not any(missing):
                return None
            lent = await self.lends.lease(purse.claim, missing, want)
            if not isinstance(lent, Amounts):
                return lent
            purse.give(lent)
            return None

    def recall(self, key: str) -> Amounts:
        """What is left of a budget here: another OS process needs it, or somebody wants to know."""
        purse = self._open.get(key)
        return purse.empty() if purse is not None else Amounts()

"""`Treasury`: the budgets of a system, at its root. What is lent out of one counts as spent until it comes back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Protocol

from civitas.budgets.allowance import RUN, Claim
from civitas.budgets.amounts import Amounts
from civitas.budgets.purses import Shortage
from civitas.state import InMemoryStateStore, StateStore
from civitas.state.patience import patiently, saved_under

__all__ = ["BUDGETS", "Treasury"]

BUDGETS = "civitas:budget:"
"""What the keys of the StateStore begin with under which budgets are kept."""

_AHEAD = 8
"""Whoever asks is lent enough for this number of such calls, and need not ask before each."""
_SHARE = 16
"""But no more than one such part of what is left, so that a killed process takes little with it."""
_MOST = 10_000
"""The budgets of single runs that are kept, and the others that are held in memory; those used last stay."""
_TRIES = 8
"""How many of those used longest ago are looked at for one that nobody uses now."""


class HasStore(Protocol):
    """Who has the store: the root."""

    store: StateStore


class _Account:
    """One budget.

    Attributes:
        claim: The budget, as whoever spends from it described it last.
        spent: What was spent or is lent out.
        more: How much the limits were raised.
        lock: Held while it is read or written.
        known: Whether what the store has of it was read.
        stored: What the store has of it, what was spent and how much the limits were raised; None if nobody knows.
    """

    __slots__ = ("claim", "known", "lock", "more", "spent", "stored")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.spent = Amounts()
        self.more = Amounts()
        self.lock = asyncio.Lock()
        self.known = False
        self.stored: tuple[Amounts, Amounts] | None = (self.spent, self.more)

    @property
    def limits(self) -> Amounts:
        return self.claim.limits.plus(self.more)

    @property
    def left(self) -> Amounts:
        return self.limits.minus(self.spent)

    @property
    def is_stored(self) -> bool:
        """Whether the store has all that is known of it."""
        return self.known and self.stored == (self.spent, self.more)


class Treasury:
    """Keeps the budgets of a system and lends of them.

    Args:
        owner: The root.
        background: Runs a coroutine beside whatever else happens.
        most: How many budgets are held in memory, if the store has them too; and of how many runs they are kept at all.
    """

    def __init__(
        self, owner: HasStore, background: Callable[[Any], object], most: int = _MOST
    ) -> None:
        self._owner = owner
        self._background = background
        self._most = most
        self._runs: OrderedDict[str, _Account] = OrderedDict()
        self._others: OrderedDict[str, _Account] = OrderedDict()
        self.recall: Callable[[str], Awaitable[Iterable[Amounts]]] = _nothing_lent
        """Has every OS process give back what it has of a budget."""

    async def lease(self, claim: Claim, missing: Amounts, want: Amounts) -> Amounts | Shortage:
        """Lend at least `missing`, or `want` after a recall; see `Lends.lease`."""
        account = self._account(claim)
        async with account.lock:
            await self._read(account)
            least = missing
            lacks = account.left.lacks(least)
            if lacks:
                for left in await self.recall(claim.key):
                    account.spent = account.spent.minus(left)
                least = want  # whoever asks has nothing now either
                lacks = account.left.lacks(least)
            if lacks:
                return lacks, getattr(account.limits, lacks), getattr(account.spent, lacks)
            lent = _ahead(least, account.left)
            account.spent = account.spent.plus(lent)
            try:
                await self._write(account)
            except BaseException:
                # It may be in the store or not; what is lent to nobody is spent by nobody. Others may have given back
                # theirs meanwhile.
                account.spent, account.stored = account.spent.minus(lent), None
                raise
            return lent

    def give_back(self, claim: Claim, left: Amounts, *, over: bool) -> None:
        """Take back what is left of what was lent; see `Lends.give_back`."""
        account = self._account(claim)
        account.spent = account.spent.minus(left)
        if over:
            self._those_like(claim.key).pop(claim.key, None)
            if self._keeps():
                self._background(self._forget(account))
        elif any(left) and self._keeps():
            self._background(self._settle(account))

    def returned(self, key: str, left: Amounts) -> None:
        """What was recalled of a budget comes after all."""
        account = self._those_like(key).get(key)
        if account is not None:
            account.spent = account.spent.minus(left)

    async def raise_limit(self, claim: Claim, more: Amounts) -> None:
        """Let more be spent of a budget, now and after every restart."""
        account = self._account(claim)
        async with account.lock:
            await self._read(account)
            account.more = account.more.plus(more)
            await self._write(account)

    async def state(self, claim: Claim) -> dict[str, dict[str, float]]:
        """The `limits` of a budget, and what is `used` and `left` of what has a limit."""
        account = self._account(claim)
        async with account.lock:
            await self._read(account)
            for left in await self.recall(claim.key):
                account.spent = account.spent.minus(left)
        limits = account.limits.finite()
        used = {name: _rounded(getattr(account.spent, name)) for name in limits}
        rest = {name: _rounded(max(limits[name] - used[name], 0)) for name in limits}
        return {"limits": limits, "used": used, "left": rest}

    def left(self, key: str) -> dict[str, float] | None:
        """What is left of a budget, where what is lent out counts as spent; None if nobody has used it yet."""
        account = self._those_like(key).get(key)
        if account is None or not account.known:
            return None
        limits = account.limits.finite()
        return {
            name: _rounded(max(limit - getattr(account.spent, name), 0))
            for name, limit in limits.items()
        }

    def claims(self) -> list[Claim]:
        """The budgets of which anything was spent since the root started, those used last if there are many."""
        return [each.claim for each in (*self._others.values(), *self._runs.values())]

    def _keeps(self) -> bool:
        """Whether the store outlives the program; otherwise the root's memory will do."""
        return not isinstance(self._owner.store, InMemoryStateStore)

    def _those_like(self, key: str) -> OrderedDict[str, _Account]:
        return self._runs if key.startswith(RUN) else self._others

    def _account(self, claim: Claim) -> _Account:
        accounts = self._those_like(claim.key)
        account = accounts.get(claim.key)
        if account is None:
            if len(accounts) >= self._most:
                self._make_room(accounts)
            account = accounts[claim.key] = _Account(claim)
        else:
            accounts.move_to_end(claim.key)
        account.claim = claim
        return account

    def _make_room(self, accounts: OrderedDict[str, _Account]) -> None:
        for account in list(islice(accounts.values(), _TRIES)):
            if account.lock.locked():
                continue
            if accounts is self._runs:
                del accounts[account.claim.key]
                if self._keeps():
                    self._background(self._forget(account))
                return
            if self._keeps() and account.is_stored:
                del accounts[account.claim.key]  # it is read again when somebody asks
                return

    async def _read(self, account: _Account) -> None:
        """Read what the store has of a budget, for the first time."""
        if account.known:
            return
        if self._keeps():
            key = BUDGETS + account.claim.key
            saved = await saved_under(self._owner.store, key, account.claim.what)
            if saved is not None:
                spent, more = _of_plain(saved["spent"]), _of_plain(saved["more"])
                account.spent, account.more = account.spent.plus(spent), account.more.plus(more)
                account.stored = spent, more
        account.known = True

    async def _write(self, account: _Account) -> None:
        """Have the store keep what a budget is now, before anybody goes by it."""
        now = account.spent, account.more
        if account.stored == now or not self._keeps():
            return
        plain = {"spent": account.spent._asdict(), "more": account.more._asdict()}
        key = BUDGETS + account.claim.key
        await patiently(lambda: self._owner.store.set(key, plain), account.claim.what)
        account.stored = now

    async def _settle(self, account: _Account) -> None:
        async with account.lock:
            await self._read(account)
            await self._write(account)

    async def _forget(self, account: _Account) -> None:
        key = BUDGETS + account.claim.key
        await patiently(lambda: self._owner.store.delete(key), account.claim.what)


def _ahead(want: Amounts, left: Amounts) -> Amounts:
    """What to lend to somebody who wants so much."""
    calls, *others = (
        max(each, min(_AHEAD * each, there / _SHARE))
        for each, there in zip(want, left, strict=True)
    )
    return Amounts(int(calls), *others)


def _of_plain(plain: Mapping[str, float]) -> Amounts:
    return Amounts(**plain)


def _rounded(value: float) -> float:
    return value if isinstance(value, int) else round(value, 9)


async def _nothing_lent(key: str) -> Iterable[Amounts]:
    return ()

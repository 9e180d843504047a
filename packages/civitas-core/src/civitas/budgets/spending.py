"""`Spending`: what the handling of one message spends; every call of a model is reserved here before it is made."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from civitas.budgets.allowance import Claim
from civitas.budgets.amounts import NO_LIMIT, Amounts
from civitas.budgets.purses import Purse, Purses, Shortage
from civitas.errors import BudgetExceeded, ConfigurationError

__all__ = ["Reservation", "Spending", "Tells", "size_of"]

Tells: TypeAlias = Callable[[int, int, float | None], None]
"""Told of a call of a model: the tokens read and written, and the dollars it cost."""

logger = logging.getLogger("civitas")

_LETTERS = 4
"""So many characters of a prompt are about one token."""
_SOME_USD = 1e-9
_SOME_SECONDS = 1e-6
"""Nothing begins when nothing is left, whatever it is said to need."""


class Reservation:
    """A call that may be made. It counts, whatever becomes of it, and by default with what it was guessed to use.

    Args:
        spending: Of the message.
        model: Name of the model.
        amounts: What it was guessed to use.
    """

    __slots__ = ("_amounts", "_model", "_spending")

    def __init__(self, spending: Spending, model: str, amounts: Amounts) -> None:
        self._spending: Spending | None = spending
        self._model = model
        self._amounts = amounts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """The call is over; a model that raised an exception used nothing, one that was cut off perhaps did."""
        if kind is not None and issubclass(kind, Exception):
            self.failed()

    def answered(self, read: int, written: int, cost: float | None = None) -> None:
        """The call was made.

        Args:
            read: Tokens of the prompt.
            written: Tokens of the answer.
            cost: US dollars; None for what the prices say.
        """
        spending, self._spending = self._spending, None
        if spending is not None:
            spending._answered(self._model, self._amounts, read, written, cost)

    def failed(self) -> None:
        """The model refused it, or could not be reached: it used no tokens."""
        spending, self._spending = self._spending, None
        if spending is not None:
            spending._correct(Amounts(0, self._amounts.tokens, self._amounts.usd))


class Spending:
    """What the handling of one message spends, of all budgets that it counts against.

    Args:
        purses: Of this OS process.
        agent: Name of the agent.
        claims: The budgets.
        loop: Of the node.
        asks: Whether a human is asked when any of them is used up.
        in_handler: Whether its time counts.
        tells: Called, in any thread, with the tokens that a call read and wrote, and the dollars that it cost; None if
            nobody knows that.
    """

    __slots__ = (
        "_agent",
        "_asks",
        "_lock",
        "_loop",
        "_open",
        "_purses",
        "_since",
        "_tells",
        "claims",
        "counts_size",
        "counts_time",
        "counts_usd",
    )

    def __init__(
        self,
        purses: Purses,
        agent: str,
        claims: Sequence[Claim],
        loop: asyncio.AbstractEventLoop,
        *,
        asks: bool = False,
        in_handler: bool = True,
        tells: Tells | None = None,
    ) -> None:
        self._asks = asks
        self._tells = tells
        self._purses = purses
        self._agent = agent
        self.claims = claims
        self._loop = loop
        self._lock = threading.Lock()
        self._open: list[Purse] | None = None
        self._since = time.monotonic()
        self.counts_usd = _limited(claims, "usd")
        self.counts_size = self.counts_usd or _limited(claims, "tokens")
        """Whether it matters how long a prompt is."""
        self.counts_time = in_handler and _limited(claims, "seconds")

    @property
    def limited(self) -> bool:
        """Whether there is any budget."""
        return bool(self.claims)

    @property
    def matters(self) -> bool:
        """Whether anybody looks at what is spent: there is a budget, or models have prices."""
        return bool(self.claims) or bool(self._purses.prices)

    @property
    def may_ask(self) -> bool:
        """Whether a human is asked when some budget is used up."""
        return self._asks or any(each.asks for each in self.claims)

    async def reserve(
        self,
        model: str,
        prompt: Any = None,
        longest: int | None = None,
        *,
        tells_cost: bool = False,
    ) -> Reservation:
        """Reserve a call of a model; it must not begin before this returns.

        Args:
            model: Name of the model.
            prompt: What it is asked, to guess its tokens.
            longest: The most tokens that it may write; None if nothing says.
            tells_cost: Whether its provider may say what the call has cost.

        Raises:
            BudgetExceeded: Less is left of a budget than it may need.
            ConfigurationError: A budget counts dollars, and nobody knows what the model costs.
        """
        want = self._wanted(model, prompt, longest, tells_cost=tells_cost)
        if not self._take(want):
            await self._at_home(want)
        return Reservation(self, model, want)

    def reserve_in_thread(
        self, model: str, prompt: Any = None, longest: int | None = None
    ) -> Reservation:
        """As `reserve`, for code that blocks a thread other than that of the node's event loop."""
        want = self._wanted(model, prompt, longest, tells_cost=False)
        if not self._take(want):
            asyncio.run_coroutine_threadsafe(self._fill(want), self._loop).result()
        return Reservation(self, model, want)

    def reserve_at_once(
        self, model: str, prompt: Any = None, longest: int | None = None
    ) -> Reservation:
        """As `reserve`, for code that blocks the node's event loop; the root can be asked only if it is here.

        Raises:
            RuntimeError: The root would have to be waited for.
        """
        reserving = self.reserve(model, prompt, longest)
        try:
            reserving.send(None)
        except StopIteration as done:
            reservation: Reservation = done.value
            return reservation
        reserving.close()
        raise RuntimeError(
            f"agent {self._agent!r} called the model {model!r} in a way that blocks its event loop, and its budget has "
            "to be asked for more first. Await the call (ainvoke), or make it in a plain def node"
        )

    async def begin(self) -> None:
        """Something begins that takes time: the handler, a tool.

        Raises:
            BudgetExceeded: No seconds are left.
        """
        if self.counts_time:
            want = Amounts(0, 0, 0, self._elapsed())
            if not self._take(want):
                await self._at_home(want)

    def end(self, *, comes_again: bool = False) -> None:
        """The message is handled, or left to the next incarnation; what is left of its leases is given back."""
        with self._lock:
            purses, self._open = self._open, None
        if purses is None and not self.counts_time:
            return
        purses = purses if purses is not None else [self._purses.open(each) for each in self.claims]
        seconds = Amounts(0, 0, 0, -self._elapsed())
        for purse in purses:
            purse.give(seconds)
            self._purses.close(purse, comes_again=comes_again)

    def dropped(self) -> None:
        """A message that waited to come again does not: what was for it alone is over."""
        for claim in self.claims:
            if claim.ends:
                self._purses.close(self._purses.open(claim))

    # What it needs.

    def _wanted(self, model: str, prompt: Any, longest: int | None, *, tells_cost: bool) -> Amounts:
        if not self.counts_size:
            return Amounts(1, 0, 0, self._elapsed())
        usual = self._purses.usual.get(model, Amounts())
        read = -(-size_of(prompt) // _LETTERS)
        written = usual.tokens if longest is None else longest
        usd = self._purses.prices.cost(model, read, written)
        if usd is None:
            if self.counts_usd and (not tells_cost or model in self._purses.unpriced):
                self._has_no_price(model)
            usd = usual.usd
        return Amounts(1, max(read + written, 1), max(usd, _SOME_USD), self._elapsed())

    def _has_no_price(self, model: str) -> None:
        whose = next(each.what for each in self.claims if each.limits.usd != NO_LIMIT)
        raise ConfigurationError(
            f"agent {self._agent!r} may not call the model {model!r}: the budget of {whose} counts US dollars, and "
            f"nobody says what that model costs. Give prices={{{model!r}: {{'in': ..., 'out': ...}}}} to the Runtime, "
            "or prices: in the topology"
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self._since + _SOME_SECONDS if self.counts_time else _SOME_SECONDS

    # What it takes.

    def _take(self, want: Amounts) -> bool:
        """Take `want` of every budget at once, if that is here."""
        return self._take_of_each(want) is None

    def _take_of_each(self, want: Amounts) -> Purse | None:
        """The purse that has too little, or None: then `want` was taken of each."""
        with self._lock:
            if self._open is None:
                self._open = [self._purses.open(each) for each in self.claims]
            purses = self._open
            for number, purse in enumerate(purses):
                if not purse.take(want):
                    for other in purses[:number]:
                        other.give(want)
                    return purse
            if want.seconds:
                self._since = time.monotonic()
        return None

    async def _at_home(self, want: Amounts) -> None:
        """Ask the root on the event loop that talks to it."""
        if asyncio.get_running_loop() is self._loop:
            await self._fill(want)
        else:
            filled = asyncio.run_coroutine_threadsafe(self._fill(want), self._loop)
            await asyncio.wrap_future(filled)

    async def _fill(self, want: Amounts) -> None:
        while (purse := self._take_of_each(want)) is not None:
            shortage = await self._purses.fill(purse, want)
            if shortage is not None:
                raise self._exceeded(purse.claim, shortage)

    def _exceeded(self, claim: Claim, shortage: Shortage) -> BudgetExceeded:
        what, limit, used = shortage
        return BudgetExceeded(
            self._agent, claim.what, what, limit, used, key=claim.key, asks=claim.asks or self._asks
        )

    # What became of it.

    def _answered(
        self, model: str, guessed: Amounts, read: int, written: int, cost: float | None
    ) -> None:
        tells = self._tells
        if cost is None and (self.counts_size or tells is not None):
            cost = self._purses.prices.cost(model, read, written)
        if tells is not None:
            with self._lock:
                tells(read, written, cost if read or written or cost else None)
        if not self.counts_size:
            return
        if cost is None:
            cost = guessed.usd
            if self.counts_usd and model not in self._purses.unpriced:
                self._purses.unpriced.add(model)
                logger.error(
                    "agent %r: its provider did not say what a call of the model %r cost, and its budget counts US "
                    "dollars. Further calls of it are refused; give prices= for it",
                    self._agent,
                    model,
                )
        self._purses.usual[model] = Amounts(0, written, cost)
        used = Amounts(0, read + written, cost)
        self._correct(Amounts(0, guessed.tokens, guessed.usd).minus(used))

    def _correct(self, back: Amounts) -> None:
        with self._lock:
            purses = self._open
            if purses is not None:
                for purse in purses:
                    purse.give(back)
                return
        # The call outlived its message.
        for claim in self.claims:
            purse = self._purses.open(claim)
            purse.give(back)
            self._loop.call_soon_threadsafe(self._purses.close, purse)


def size_of(prompt: Any) -> int:
    """How many characters of text are in plain data."""
    size, left = 0, [prompt]
    while left:
        each = left.pop()
        kind = type(each)
        if kind is str:
            size += len(each)
        elif kind is dict:
            left += each.values()
        elif kind is list or kind is tuple:
            left += each
        elif each is not None:
            left.append(str(each) if isinstance(each, str) else getattr(each, "content", None))
    return size


def _limited(claims: Sequence[Claim], what: str) -> bool:
    return any(getattr(each.limits, what) != NO_LIMIT for each in claims)

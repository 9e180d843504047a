"""`Budget`: what may be spent, as a user writes it; `Claim`: one budget that a certain message counts against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from civitas.budgets.amounts import NO_LIMIT, Amounts
from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.message.envelope import shown

__all__ = ["RUN", "Budget", "Claim", "Per", "check_exceeded", "read_more"]

_KEYS = (*Amounts._fields, "per")
_WHOLE = ("calls", "tokens")
_EXCEEDED = ("refuse", "ask")


RUN = "run:"
"""What the keys of the budgets of runs begin with."""


class Per(StrEnum):
    """What each has a budget of its own."""

    ALL = "all"
    """There is one for everything."""
    CONVERSATION = "conversation"
    """Each conversation; a message without one has a budget to itself."""
    MESSAGE = "message"
    """Each message that an agent handles, however often that is delivered."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A budget that what is spent for a certain message counts against.

    Attributes:
        key: Names the budget in the whole system.
        what: Whose it is, for an error.
        limits: What may be spent; infinite if there is no limit.
        asks: Whether a human is asked when it is used up.
        ends: Whether it is of no use after the message.
    """

    key: str
    what: str
    limits: Amounts
    asks: bool = False
    ends: bool = False

    def plain(self) -> list[Any]:
        """As plain data."""
        return [self.key, self.what, self.limits.finite(), self.asks, self.ends]

    @classmethod
    def of_plain(cls, plain: list[Any]) -> Claim:
        """What `plain` described."""
        key, what, limits, asks, ends = plain
        return cls(key, what, _limits(limits), asks, ends)


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent, as a user writes it.

    Attributes:
        limits: For each thing the limit; infinite if there is none.
        per: What each has a budget of its own.
        asks: Whether a human is asked when it is used up.
    """

    limits: Amounts
    per: Per = Per.ALL
    asks: bool = False

    @classmethod
    def read(cls, who: str, given: object, exceeded: object = "refuse") -> Budget | None:
        """The budget that a user gave; None if there is none.

        Args:
            who: Whose it is, for an error.
            given: A mapping, or None.
            exceeded: What happens when it is used up: `refuse` or `ask`.

        Raises:
            ConfigurationError: It is not a mapping of known words to amounts, or `exceeded` is another word.
        """
        asks = check_exceeded(who, exceeded)
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ConfigurationError(
                f"{who}budget must be a dict such as {{'calls': 100, 'usd': 5}}; got {shown(given)}"
            )
        for key in given:
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS) or "."
                raise ConfigurationError(
                    f"{who}budget has no {key!r}{hint} It takes {', '.join(_KEYS)}"
                )
        for name in Amounts._fields:
            if name in given:
                _check_amount(given[name], f"{who}budget: {name}", whole=name in _WHOLE)
        if not any(name in given for name in Amounts._fields):
            raise ConfigurationError(
                f"{who}budget must limit at least one of {', '.join(Amounts._fields)}"
            )
        per = given.get("per", Per.ALL)
        if per not in list(Per):
            raise ConfigurationError(
                f"{who}budget: per must be one of {', '.join(Per)}; got {shown(per)}"
            )
        return cls(_limits(given), Per(per), asks)

    def claim(self, kind: str, name: str, conversation: str | None, message_id: str) -> Claim:
        """What it means for one message.

        Args:
            kind: Of whom it is: `agent`, `supervisor` or `pool`.
            name: Of whom.
            conversation: Of the message.
            message_id: Of the message.
        """
        key, what = f"{kind}:{name}", f"{kind} {name!r}"
        if self.per is Per.ALL:
            return Claim(key, what, self.limits, self.asks)
        if self.per is Per.CONVERSATION and conversation is not None:
            key, what = (
                f"{key}/conversation:{conversation}",
                f"{what} in conversation {conversation!r}",
            )
            return Claim(key, what, self.limits, self.asks)
        return Claim(
            f"{key}/message:{message_id}", f"{what} for one message", self.limits, self.asks, True
        )

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return {"limits": self.limits.finite(), "per": str(self.per), "asks": self.asks}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Budget:
        """What `plain` described."""
        return cls(_limits(plain["limits"]), Per(plain["per"]), plain["asks"])


def check_exceeded(who: str, exceeded: object) -> bool:
    """Whether to ask a human when a budget is used up, as `budget_exceeded` says.

    Raises:
        ConfigurationError: It is another word.
    """
    if exceeded not in _EXCEEDED:
        raise ConfigurationError(
            f"{who}budget_exceeded must be one of {', '.join(_EXCEEDED)}; got {shown(exceeded)}"
        )
    return exceeded == "ask"


def read_more(claim: Claim, given: object) -> Amounts:
    """How much more may be spent of a budget, as a user gave it.

    Raises:
        ConfigurationError: It is not a mapping of what the budget limits to amounts.
    """
    limited = claim.limits.finite()
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(
            f"to raise the budget of {claim.what}, give a dict such as {{{next(iter(limited))!r}: 10}}; "
            f"got {shown(given)}"
        )
    for name, value in given.items():
        if name not in limited:
            raise ConfigurationError(
                f"the budget of {claim.what} does not limit {shown(name)}; it limits {', '.join(limited)}"
            )
        _check_amount(value, f"the budget of {claim.what}: {name}", whole=name in _WHOLE)
    return Amounts(*(given.get(name, 0) for name in Amounts._fields))


def _limits(given: Mapping[str, Any]) -> Amounts:
    return Amounts(*(given.get(name, NO_LIMIT) for name in Amounts._fields))


def _check_amount(value: object, what: str, *, whole: bool) -> None:
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not good or not 0 <= value < math.inf:  # type: ignore[operator]
        kind = "a whole number" if whole else "a number"
        raise ConfigurationError(f"{what} must be {kind} >= 0; got {shown(value)}")

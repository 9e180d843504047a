"""What an agent may be told about how it runs, checked when it is constructed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from civitas.budgets.allowance import Budget
from civitas.errors import ConfigurationError
from civitas.message.envelope import shown
from civitas.process.choosing import choose
from civitas.process.schedule import Schedule

__all__ = [
    "AgentOptions",
    "Delivery",
    "OnAmbiguous",
    "RestartType",
    "check_is_name",
    "check_name",
    "check_pattern",
    "check_timeout",
    "choose",
    "positive",
]

_NAME = re.compile(r"[^\s*?\[\]/\x00-\x1f]{1,200}")
_RESERVED = "civitas:"
"""What keys in the StateStore begin with that are not an agent's own."""
_LONGEST_PATTERN = 2048
"""Characters; no name of an agent or a conversation is longer."""


class RestartType(StrEnum):
    """When an ended child is started again; OTP's restart types."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """After an abnormal exit: anything but `normal` and `shutdown`."""
    TEMPORARY = "temporary"
    """Never."""


class Delivery(StrEnum):
    """What becomes of a message whose handler did not return."""

    AT_MOST_ONCE = "at_most_once"
    """It is a dead letter, and whoever asked gets the error at once."""
    AT_LEAST_ONCE = "at_least_once"
    """It goes to the next incarnation, in order, and so does the queue behind it."""
    DURABLE = "durable"
    """The same, and what was accepted is in the state store: it also goes to the next run of the whole program."""


class OnAmbiguous(StrEnum):
    """What becomes of a call that had begun, and of whose result nothing is known."""

    REPEAT = "repeat"
    """It is made again, with the same idempotency key."""
    INTERRUPT = "interrupt"
    """A human is asked whether it happened."""


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The keywords every agent takes; `AgentProcess` says what they mean."""

    mailbox_size: int
    restart: RestartType
    shutdown_timeout: float | None
    max_retries: int
    handle_timeout: float | None
    cancel_on_timeout: bool
    delivery: Delivery
    max_deliveries: int
    schedule: Schedule | None
    """From `schedule`, `timezone`, `every`, `missed` and `schedule_payload`; None without one."""
    budget: Budget | None
    """From `budget` and `budget_exceeded`; None without one."""
    asks: bool
    """Whether a human is asked when any budget is used up."""
    on_ambiguous: OnAmbiguous = OnAmbiguous.REPEAT

    @classmethod
    def checked(
        cls,
        who: str,
        *,
        mailbox_size: object,
        restart: object,
        shutdown_timeout: float | None,
        max_retries: object,
        handle_timeout: float | None,
        cancel_on_timeout: bool,
        delivery: object,
        max_deliveries: object,
        schedule: Schedule | None = None,
        budget: object = None,
        budget_exceeded: object = "refuse",
        on_ambiguous: object = OnAmbiguous.REPEAT,
    ) -> AgentOptions:
        """The options as a user gave them, described at `AgentProcess`; `who` is theirs, for an error.

        Raises:
            ConfigurationError: One does not fit.
        """
        values = (
            mailbox_size,
            restart,
            shutdown_timeout,
            max_retries,
            handle_timeout,
            cancel_on_timeout,
            delivery,
            max_deliveries,
            schedule,
            budget,
            budget_exceeded,
            on_ambiguous,
        )
        # Most agents have the options that all have, and these are checked and kept once.
        if values == _USUAL and tuple(map(type, values)) == _TYPES:
            return _ALL_USUAL
        check_timeout(handle_timeout, f"{who}: handle_timeout")
        if shutdown_timeout is not None:
            positive(shutdown_timeout, f"{who}: shutdown_timeout", zero=True)
        given: object = cancel_on_timeout
        if not isinstance(given, bool):
            raise ConfigurationError(
                f"{who}: cancel_on_timeout must be True or False; got {given!r}"
            )
        delivered = choose(Delivery, delivery, f"{who}: delivery")
        ambiguous = choose(OnAmbiguous, on_ambiguous, f"{who}: on_ambiguous")
        if ambiguous is OnAmbiguous.INTERRUPT and delivered is not Delivery.DURABLE:
            raise ConfigurationError(
                f"{who}: on_ambiguous='interrupt' needs an agent whose messages outlive a kill: "
                f"delivery='durable', or durable=True for an adapter; got {str(delivered)!r}"
            )
        return cls(
            mailbox_size=int(positive(mailbox_size, f"{who}: mailbox_size", whole=True)),
            restart=choose(RestartType, restart, f"{who}: restart"),
            shutdown_timeout=shutdown_timeout,
            max_retries=int(positive(max_retries, f"{who}: max_retries", whole=True, zero=True)),
            handle_timeout=handle_timeout,
            cancel_on_timeout=cancel_on_timeout,
            delivery=delivered,
            max_deliveries=int(positive(max_deliveries, f"{who}: max_deliveries", whole=True)),
            schedule=schedule,
            budget=Budget.read(f"{who}: ", budget, budget_exceeded),
            asks=budget_exceeded == "ask",
            on_ambiguous=ambiguous,
        )

    def delivered(self, delivery: Delivery) -> Self:
        """The same with another `delivery`: a system may have one for all."""
        return self if self.delivery is delivery else replace(self, delivery=delivery)


_FIRST = (1000, RestartType.PERMANENT, 30.0, 3, None, False, Delivery.AT_MOST_ONCE, 3, None)
_USUAL = (*_FIRST, None, "refuse", OnAmbiguous.REPEAT)
_TYPES = tuple(map(type, _USUAL))
_ALL_USUAL = AgentOptions(*_FIRST, None, False)


def check_name(name: object, what: str = "an agent's name") -> str:
    """Return `name` if it can be an address, otherwise raise `ConfigurationError` that says what is wrong with it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{what} must be text of 1 to 200 characters without white space, '/', '*', '?', '[' and ']'; "
            f"got {shown(name)}"
        )
    if not name.isprintable():  # control characters, and marks that turn the direction of writing
        problem = "contains an invisible character"
    elif ".." in name:
        problem = "holds '..'"
    elif name.startswith("-"):
        problem = "begins with '-', like a command-line option"
    elif name.startswith(_RESERVED):
        problem = f"begins with {_RESERVED!r}, which is reserved"
    else:
        return name
    raise ConfigurationError(f"{what} {problem}; got {name!r}")


def check_is_name(name: object, what: str) -> None:
    """Raise `ConfigurationError` where `name` is not text: an agent or a supervisor itself, or several names."""
    if not isinstance(name, str):
        own = getattr(name, "name", None)
        hint = f". Write its name, {own!r}" if isinstance(own, str) else ""
        raise ConfigurationError(f"{what} must be a name, as text; got {shown(name)}{hint}")


def positive(value: object, what: str, *, whole: bool = False, zero: bool = False) -> float:
    """Return `value` if it is a number above 0 (or 0, with `zero`), otherwise raise `ConfigurationError`."""
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not good or not (value >= 0 if zero else value > 0) or value == float("inf"):  # type: ignore[operator]
        kind = "a whole number" if whole else "a number"
        raise ConfigurationError(
            f"{what} must be {kind} {'>= 0' if zero else '> 0'}; got {shown(value)}"
        )
    return value  # type: ignore[return-value]


def check_timeout(timeout: object, what: str = "timeout") -> None:
    """Raise `ConfigurationError` unless `timeout` is a number of seconds above 0, or None."""
    # Every message comes by here; one `type(...) in (...)` would take as long as all the rest.
    kind = type(timeout)
    if timeout is None or ((kind is float or kind is int) and 0 < timeout < 1e9):  # type: ignore[operator]
        return
    raise ConfigurationError(
        f"{what} must be a number of seconds > 0, or None to wait for ever; got {shown(timeout)}"
    )


def check_pattern(pattern: object) -> None:
    """Raise `ConfigurationError` unless `pattern` can be a pattern of names."""
    if not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        raise ConfigurationError(
            f"broadcast takes a pattern of names, such as 'worker-*'; got {shown(pattern)}"
        )

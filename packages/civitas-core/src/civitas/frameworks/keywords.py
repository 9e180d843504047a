"""The keywords that every adapter hands on to `AgentProcess`, for type checkers and for clear errors."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.process import Delivery, OnAmbiguous, RestartType
from civitas.process.ambiguous import CallProbe, check_probes
from civitas.process.on_change import OnChange
from civitas.process.options import check_timeout, choose

if TYPE_CHECKING:
    from datetime import timedelta

    from civitas.process.schedule import Missed

__all__ = [
    "OF_A_POOL",
    "AgentKeywords",
    "FrameworkKeywords",
    "check_keywords",
    "describe",
    "read_on_change",
    "read_probes",
    "read_transient",
]


OF_A_POOL = ("idle_timeout", "max_live")
"""The keywords of `wrap` that are a pool's."""


class AgentKeywords(TypedDict, total=False):
    """The keywords of `AgentProcess`, which says what they mean."""

    mailbox_size: int
    restart: RestartType | str
    shutdown_timeout: float | None
    max_retries: int
    handle_timeout: float | None
    cancel_on_timeout: bool
    delivery: Delivery | str
    max_deliveries: int
    on_ambiguous: OnAmbiguous | str
    schedule: str | None
    timezone: str | None
    every: float | str | timedelta | None
    missed: Missed | str
    schedule_payload: Any
    budget: Mapping[str, Any] | None
    budget_exceeded: str


class FrameworkKeywords(AgentKeywords, total=False):
    """The keywords of `FrameworkAgent`, which says what they mean."""

    durable: bool
    transient: Callable[[Exception], bool] | str | None
    probes: Mapping[str, CallProbe | str]
    framework_spans: bool | None
    progress_timeout: float | None
    on_change: OnChange | str | None


def check_keywords(
    kind: type,
    name: str,
    keywords: AgentKeywords,
    durable: object,
    framework_spans: object,
    progress_timeout: object,
) -> None:
    """Check the keywords of an adapter; one that is durable gets the delivery for it.

    Raises:
        ConfigurationError: One does not fit. For one that no agent takes, with the nearest that `kind` does take.
    """
    who = f"{kind.__name__}({name!r})"
    for word in keywords:
        if word not in AgentKeywords.__annotations__:
            raise ConfigurationError(f"{who} takes no {word!r}{_instead_of(word, kind)}")
    for what, given, allowed in (
        ("durable must be True or False", durable, (True, False)),
        ("framework_spans must be True, False or None", framework_spans, (True, False, None)),
    ):
        if not any(given is each for each in allowed):
            raise ConfigurationError(f"{who}: {what}; got {given!r}")
    check_timeout(progress_timeout, f"{who}: progress_timeout")
    if durable:
        delivery = keywords.get("delivery", Delivery.DURABLE)
        if str(delivery).lower() not in (Delivery.AT_LEAST_ONCE, Delivery.DURABLE):
            raise ConfigurationError(
                f"{who}: durable=True needs delivery='durable', which it implies; got {delivery!r}"
            )
        keywords["delivery"] = Delivery.DURABLE
    elif str(keywords.get("on_ambiguous", "")).lower() == OnAmbiguous.INTERRUPT:
        raise ConfigurationError(
            f"{who}: on_ambiguous='interrupt' needs durable=True: the calls of other runs are not recorded"
        )


def _instead_of(word: str, kind: type) -> str:
    own = [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    words = [*own, *FrameworkKeywords.__annotations__]
    hint = did_you_mean(word, [*words, *OF_A_POOL]) or "."
    if word in OF_A_POOL:
        hint = "; that is of a pool, so add per_conversation=True."
    return f"{hint} It takes: {', '.join(words)}"


def read_transient(
    kind: type, name: str, given: Callable[[Exception], bool] | str | None
) -> Callable[[Exception], bool] | None:
    """The predicate that `transient` names or is.

    Raises:
        ConfigurationError: It is neither a function nor ``module:function``.
    """
    given = _named(f"{kind.__name__}({name!r}): transient", given)
    if given is not None and not callable(given):
        raise ConfigurationError(
            f"{kind.__name__}({name!r}): transient must be a function from an exception to True or False; got {given!r}"
        )
    return given


def read_on_change(
    kind: type, name: str, given: OnChange | str | None, *, durable: bool
) -> OnChange | None:
    """What `on_change` says.

    Raises:
        ConfigurationError: It says nothing that there is, or the agent is not durable.
    """
    who = f"{kind.__name__}({name!r}): on_change"
    if given is None:
        return None
    if not durable:
        raise ConfigurationError(
            f"{who}={given!r} is for durable runs, which outlive the code; add durable=True, or leave it out"
        )
    return choose(OnChange, given, who)


def read_probes(
    kind: type, name: str, given: Mapping[str, CallProbe | str], *, durable: bool
) -> Mapping[str, CallProbe]:
    """The functions that `probes` are or name.

    Raises:
        ConfigurationError: One is neither a function nor ``module:function``, or nothing is recorded of the calls.
    """
    who = f"{kind.__name__}({name!r})"
    check_probes(who, given, named=True)
    if given and not durable:
        raise ConfigurationError(
            f"{who}: probes need durable=True: the calls of other runs are not recorded"
        )
    probes = {each: _named(f"{who}: probes[{each!r}]", given[each]) for each in given}
    check_probes(who, probes)
    return probes


def _named(what: str, given: Any) -> Any:
    """The function that a text names; anything else as it is."""
    if not isinstance(given, str):
        return given
    try:
        return pkgutil.resolve_name(given)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{what}={given!r} cannot be resolved: {error}. Write module:function"
        ) from error


def describe(value: object) -> str:
    """`value` in an error: a type by its name, text as it is."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return repr(value)
    kind = value if isinstance(value, type) else type(value)
    what = "the class " if isinstance(value, type) else "an object of type "
    return f"{what}{kind.__module__}.{kind.__qualname__}"

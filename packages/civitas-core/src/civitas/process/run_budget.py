"""The budget that one message brings along: for all that is done because of it, in whichever agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from civitas.budgets.allowance import RUN, Budget, Claim, Per
from civitas.errors import ConfigurationError
from civitas.message import new_id
from civitas.telemetry.passing import passed_on

__all__ = ["BUDGET", "claims_of", "handed_on", "with_budget"]

BUDGET = "civitas-budget"
"""The header that carries it, as JSON: a list of claims."""


def with_budget(headers: Mapping[str, str] | None, given: Mapping[str, Any]) -> Mapping[str, str]:
    """`headers` with a budget for the run that the message begins.

    Raises:
        ConfigurationError: `given` is not a budget.
    """
    budget = Budget.read("", given)
    if budget is None or budget.per is not Per.ALL:
        raise ConfigurationError("budget: a message has one for its whole run; leave per out")
    run = new_id()
    claim = Claim(f"{RUN}{run}", f"run {run!r}", budget.limits)
    return {**(headers or {}), BUDGET: json.dumps([claim.plain()])}


def claims_of(headers: Mapping[str, str]) -> list[Claim]:
    """The budgets that a message brings along."""
    text = headers.get(BUDGET)
    return [Claim.of_plain(each) for each in json.loads(text)] if text is not None else []


def handed_on(
    came: Mapping[str, str], given: Mapping[str, str] | None, *, traced: bool
) -> Mapping[str, str] | None:
    """The headers of a message that is sent while another one is handled, whose run and trace it belongs to.

    Args:
        came: The headers of the message being handled.
        given: Those that the sender gave.
        traced: Whether spans are made, which bring the trace along.
    """
    if not traced:
        given = passed_on(came, given)
    text = came.get(BUDGET)
    if text is None:
        return given
    own = json.loads((given or {}).get(BUDGET, "[]"))
    return {**(given or {}), BUDGET: json.dumps([*own, *json.loads(text)]) if own else text}

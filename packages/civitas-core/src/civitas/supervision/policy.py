"""The decisions of a supervisor, as pure functions over plain data.

Semantics: Erlang/OTP's `supervisor`. What has an effect is in `civitas.supervision.supervisor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from civitas.process import ExitReason, RestartType, Status

__all__ = ["RestartStrategy", "affected", "should_restart", "status_after"]


class RestartStrategy(StrEnum):
    """Which children are started again when one of them ends."""

    ONE_FOR_ONE = "one_for_one"
    """That child alone."""
    ONE_FOR_ALL = "one_for_all"
    """All of them: the others are stopped first."""
    REST_FOR_ONE = "rest_for_one"
    """That child and those after it, which are stopped first."""


def should_restart(restart: RestartType, reason: ExitReason) -> bool:
    """Whether a child that ended with `reason` is started again."""
    if restart is RestartType.PERMANENT:
        return True
    return restart is RestartType.TRANSIENT and reason.abnormal


def status_after(restart: RestartType, reason: ExitReason) -> Status:
    """What a child that ended with `reason` shows until its supervisor comes to it."""
    if restart is RestartType.PERMANENT or should_restart(restart, reason):
        return Status.RESTARTING
    return Status.STOPPED


def affected(strategy: RestartStrategy, children: Sequence[str], ended: str) -> list[str]:
    """The children that share the fate of `ended`, itself included, in start order."""
    if strategy is RestartStrategy.ONE_FOR_ONE:
        return [ended]
    if strategy is RestartStrategy.ONE_FOR_ALL:
        return list(children)
    return list(children[children.index(ended) :])

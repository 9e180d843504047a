"""The decisions of a supervisor, as full tables."""

from __future__ import annotations

import pytest

from civitas.process import KILLED, NORMAL, SHUTDOWN, ExitKind, ExitReason, RestartType
from civitas.process.incident import of_departure, of_message
from civitas.supervision.backoff import BackoffPolicy, delay
from civitas.supervision.budget import RestartBudget, RestartLimits
from civitas.supervision.intensity import RestartIntensity
from civitas.supervision.policy import RestartStrategy, affected, should_restart

CRASHED = ExitReason.crashed(ValueError("bad"))
NODE_DOWN = ExitReason(ExitKind.NODE_DOWN)


@pytest.mark.promise(id="SEM-403")
@pytest.mark.parametrize(
    ("restart", "reason", "expected"),
    [
        (RestartType.PERMANENT, NORMAL, True),
        (RestartType.PERMANENT, SHUTDOWN, True),
        (RestartType.PERMANENT, CRASHED, True),
        (RestartType.PERMANENT, KILLED, True),
        (RestartType.PERMANENT, NODE_DOWN, True),
        (RestartType.TRANSIENT, NORMAL, False),
        (RestartType.TRANSIENT, SHUTDOWN, False),
        (RestartType.TRANSIENT, CRASHED, True),
        (RestartType.TRANSIENT, KILLED, True),
        (RestartType.TRANSIENT, NODE_DOWN, True),
        (RestartType.TEMPORARY, NORMAL, False),
        (RestartType.TEMPORARY, SHUTDOWN, False),
        (RestartType.TEMPORARY, CRASHED, False),
        (RestartType.TEMPORARY, KILLED, False),
        (RestartType.TEMPORARY, NODE_DOWN, False),
    ],
    ids=lambda value: str(getattr(value, "kind", value)),
)
def test_a_child_is_restarted_only_when_its_type_says_so(
    restart: RestartType, reason: ExitReason, expected: bool
) -> None:
    assert should_restart(restart, reason) is expected


@pytest.mark.promise(id="SEM-404")
@pytest.mark.parametrize(
    ("strategy", "ended", "expected"),
    [
        (RestartStrategy.ONE_FOR_ONE, "a", "a"),
        (RestartStrategy.ONE_FOR_ONE, "b", "b"),
        (RestartStrategy.ONE_FOR_ONE, "c", "c"),
        (RestartStrategy.ONE_FOR_ALL, "a", "abc"),
        (RestartStrategy.ONE_FOR_ALL, "b", "abc"),
        (RestartStrategy.ONE_FOR_ALL, "c", "abc"),
        (RestartStrategy.REST_FOR_ONE, "a", "abc"),
        (RestartStrategy.REST_FOR_ONE, "b", "bc"),
        (RestartStrategy.REST_FOR_ONE, "c", "c"),
    ],
)
def test_the_strategy_names_who_shares_the_fate(
    strategy: RestartStrategy, ended: str, expected: str
) -> None:
    assert affected(strategy, ["a", "b", "c"], ended) == list(expected)


@pytest.mark.promise(id="SEM-405")
def test_one_restart_more_than_allowed_within_the_window_is_too_many() -> None:
    intensity = RestartIntensity(3, 60.0)
    assert [intensity.add("a", at) for at in (0.0, 1.0, 2.0, 3.0)] == [True, True, True, False]


@pytest.mark.promise(id="SEM-405")
def test_the_window_slides() -> None:
    intensity = RestartIntensity(2, 10.0)
    assert [intensity.add("a", at) for at in (0.0, 5.0, 10.1, 15.2, 16.0)] == [
        True,
        True,
        True,
        True,
        False,
    ]


def test_an_intensity_of_zero_allows_no_restart() -> None:
    assert RestartIntensity(0, 60.0).add("a", 0.0) is False


def budget() -> RestartBudget:
    limits = RestartLimits.checked("", 2, 60.0, "linear", 1.0, 9.0)
    return RestartBudget(limits)


def test_what_ends_many_together_is_counted_once_and_all_wait_as_long() -> None:
    spent = budget()
    assert [spent.spend(child, 0.0, "x") for child in "abc"] == [1.0, 1.0, 1.0]
    assert spent.spend("a", 1.0) == 2.0
    assert spent.spend("a", 2.0) is None


def test_what_ends_one_again_and_again_is_counted_once_and_it_waits_longer_each_time() -> None:
    spent = budget()
    assert [spent.spend("a", 0.0, "x") for _ in range(5)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert spent.spend("b", 1.0, "y") == 1.0
    assert spent.spend("b", 2.0, "z") is None
    assert spent.spend("a", 3.0, "z") is None


@pytest.mark.promise(id="SEM-1641")
def test_messages_that_are_delivered_again_use_up_no_restarts() -> None:
    spent = budget()
    for n in range(9):
        again = of_message(str(n))
        assert [spent.spend("a", 0.0, again) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert [spent.spend("a", 1.0) for _ in range(3)] == [1.0, 2.0, None]


@pytest.mark.promise(id="SEM-1641")
def test_where_no_restart_may_be_made_none_is_made_for_such_a_message_either() -> None:
    limits = RestartLimits.checked("", 0, 60.0, "linear", 1.0, 9.0)
    assert RestartBudget(limits).spend("a", 0.0, of_message("x")) is None


@pytest.mark.promise(id="SEM-1813")
def test_an_os_process_that_leaves_in_order_uses_up_no_restarts() -> None:
    limits = RestartLimits.checked("", 0, 60.0, "linear", 1.0, 9.0)
    for spent in (budget(), RestartBudget(limits)):
        assert [spent.spend("a", 0.0, of_departure(str(n))) for n in range(9)] == [0.0] * 9


@pytest.mark.promise(id="SEM-411")
def test_each_child_counts_its_own_restarts_for_its_backoff() -> None:
    intensity = RestartIntensity(10, 60.0)
    for child in "aab":
        intensity.add(child, 0.0)
    assert (intensity.of["a"], intensity.of["b"], intensity.of["c"]) == (2, 1, 0)


@pytest.mark.promise(id="SEM-411")
@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        (BackoffPolicy.NONE, [0, 0, 0, 0]),
        (BackoffPolicy.CONSTANT, [0.1, 0.1, 0.1, 0.1]),
        (BackoffPolicy.LINEAR, [0.1, 0.2, 0.3, 0.35]),
        (BackoffPolicy.EXPONENTIAL, [0.1, 0.2, 0.35, 0.35]),
    ],
)
def test_the_backoff_grows_as_its_policy_says_up_to_the_longest(
    policy: BackoffPolicy, waits: list[float]
) -> None:
    assert [delay(policy, n, 0.1, 0.35, 0.0) for n in (1, 2, 3, 4)] == pytest.approx(waits)


@pytest.mark.promise(id="SEM-411")
def test_only_the_exponential_backoff_has_jitter_and_a_quarter_at_most() -> None:
    assert delay(BackoffPolicy.EXPONENTIAL, 1, 1.0, 60.0, 1.0) == 0.75
    assert delay(BackoffPolicy.LINEAR, 1, 1.0, 60.0, 1.0) == 1.0


def test_a_thousand_restarts_do_not_overflow_the_backoff() -> None:
    assert delay(BackoffPolicy.EXPONENTIAL, 5000, 0.01, 60.0, 0.0) == 60.0

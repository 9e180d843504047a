"""What the failure of a run means."""

from __future__ import annotations

import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from civitas.frameworks import Outcome
from civitas.frameworks.outcomes import outcome_of, retry_after


class Failed(Exception):
    def __init__(self, status: int | None = None, **headers: str) -> None:
        if status is not None:
            self.status_code = status
        self.response = SimpleNamespace(
            headers={key.replace("_", "-"): value for key, value in headers.items()}
        )


class APIConnectionError(Exception):
    pass


class Unreachable(APIConnectionError):
    pass


@pytest.mark.parametrize("error", [Failed(429), Failed(500), Failed(503), Unreachable()])
def test_a_provider_that_is_down_or_asks_to_wait_is_transient(error: Exception) -> None:
    assert outcome_of(error) is Outcome.TRANSIENT


@pytest.mark.parametrize("error", [Failed(400), Failed(401), KeyError(), ConnectionError()])
def test_everything_else_is_a_crash(error: Exception) -> None:
    assert outcome_of(error) is Outcome.CRASH


def test_an_error_raised_from_a_transient_one_is_transient() -> None:
    error = ValueError()
    error.__cause__ = Failed(429, retry_after="2")
    assert outcome_of(error) is Outcome.TRANSIENT
    assert retry_after(error) == 2


def test_an_error_that_causes_itself_is_looked_at_once() -> None:
    error = ValueError()
    error.__cause__ = TypeError()
    error.__cause__.__cause__ = error
    assert outcome_of(error) is Outcome.CRASH


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3), ("0.5", 0.5), ("-1", 0), (formatdate(time.time() - 100, usegmt=True), 0)],
)
def test_a_provider_says_how_long_to_wait(said: str, seconds: Any) -> None:
    assert retry_after(Failed(429, retry_after=said)) == seconds


def test_a_date_to_wait_for_is_turned_into_seconds() -> None:
    wait = retry_after(Failed(429, retry_after=formatdate(time.time() + 60, usegmt=True)))
    assert wait is not None
    assert 50 < wait <= 60


@pytest.mark.parametrize("error", [Failed(429), Failed(429, retry_after="soon"), KeyError()])
def test_what_does_not_say_how_long_to_wait_has_none(error: Exception) -> None:
    assert retry_after(error) is None

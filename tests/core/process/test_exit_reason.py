"""Failures: errors as plain data."""

from __future__ import annotations

import weakref

import pytest

from civitas import errors
from civitas.process import PlainError


class Thing:
    pass


def failing(seen: list[weakref.ref[Thing]]) -> PlainError:
    thing = Thing()
    seen.append(weakref.ref(thing))
    try:
        raise ValueError("as told")
    except ValueError as error:
        return PlainError.of(error)


def test_the_traceback_of_a_failure_is_text_that_shows_the_line() -> None:
    failure = failing([])
    assert failure.traceback.endswith("ValueError: as told\n")
    assert 'raise ValueError("as told")' in failure.traceback
    assert failure.as_error("a").remote_traceback == failure.traceback


def test_a_failure_keeps_nothing_of_the_failed_code_alive() -> None:
    seen: list[weakref.ref[Thing]] = []
    failure = failing(seen)
    assert seen[0]() is None
    assert failure.error_type == "ValueError"


def test_an_error_whose_text_cannot_be_had_is_described_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise KeyError("no text")

    failure = PlainError.of(Broken())
    assert failure.error_message == "(its text raised KeyError)"
    assert "Broken" in failure.traceback


@pytest.mark.promise(id="SEM-1361")
def test_a_class_of_the_user_that_is_called_unknown_interrupt_stays_the_users() -> None:
    class UnknownInterrupt(Exception):
        pass

    assert type(PlainError.of(UnknownInterrupt()).as_error("a")) is errors.HandlerFailed
    ours = PlainError.of(errors.UnknownInterrupt("a", "none is open")).as_error("a")
    assert type(ours) is errors.UnknownInterrupt

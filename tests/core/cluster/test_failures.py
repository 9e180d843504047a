"""Errors as plain data, on their way between OS processes."""

from __future__ import annotations

import pytest

from civitas import errors
from civitas.process.failures import dump_error, load_error


@pytest.mark.parametrize(
    "error",
    [
        LookupError("nothing there"),
        errors.HandlerFailed("a", "KeyError", "'x'"),
        errors.UnknownInterrupt("a", "none is open"),
    ],
)
def test_an_error_of_python_or_of_ours_is_of_the_same_class_there(error: Exception) -> None:
    again = load_error(dump_error(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


@pytest.mark.promise(id="SEM-1361")
@pytest.mark.parametrize("ancestor", [Exception, errors.CivitasError])
@pytest.mark.parametrize("name", ["TimeoutError", "UnknownInterrupt", "NodeDown"])
def test_a_class_of_the_user_with_the_name_of_another_is_not_taken_for_that(
    name: str, ancestor: type[Exception]
) -> None:
    own: type[Exception] = type(name, (ancestor,), {"__module__": __name__})
    for again in (
        load_error(dump_error(own("x"))),
        load_error(dump_error(load_error(dump_error(own("x"))))),
    ):
        assert type(again).__name__ == name
        assert not isinstance(again, (TimeoutError, errors.CivitasError))

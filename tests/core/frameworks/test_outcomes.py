"""What the failure of a run means."""

from __future__ import annotations

import asyncio
import errno
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import aiosqlite
import pytest

from civitas.errors import (
    AskTimeout,
    ConfigurationError,
    HandlerFailed,
    NodeDown,
    PayloadError,
    StateStoreError,
)
from civitas.frameworks import Outcome
from civitas.frameworks.outcomes import OUTCOMES, outcome_of
from civitas.frameworks.retries import retry_after
from tests.core.frameworks.exceptions import is_placed, public, shown


class Failed(Exception):
    def __init__(self, status: int | None = None, **headers: str) -> None:
        if status is not None:
            self.status_code = status
        self.response = SimpleNamespace(
            headers={key.replace("_", "-"): value for key, value in headers.items()}
        )


class Unresolved(socket.gaierror):
    pass


@pytest.mark.parametrize(
    "error",
    [
        Failed(429),
        Failed(500),
        Failed(503),
        Unresolved(),
        ConnectionError(),
        TimeoutError(),
        NodeDown("a", "worker"),
        sqlite3.OperationalError("database is locked"),
    ],
)
def test_what_is_down_or_asks_to_wait_is_transient(error: Exception) -> None:
    assert outcome_of(error) is Outcome.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        Failed(400),
        Failed(401),
        Failed(404),
        KeyError(),
        ValueError(),
        ZeroDivisionError(),
        NotImplementedError(),
        RecursionError(),
        AskTimeout("a", "message", 3),
        HandlerFailed("a", "KeyError", "x"),
        ConfigurationError("no"),
        PayloadError("payload", "no"),
    ],
)
def test_what_would_fail_again_is_an_answer(error: Exception) -> None:
    assert outcome_of(error) is Outcome.ANSWER


@pytest.mark.parametrize("error", [RuntimeError(), OSError(), StateStoreError("away")])
def test_what_nobody_knows_is_unknown(error: Exception) -> None:
    assert outcome_of(error) is Outcome.UNKNOWN


async def _of_a_closed_loop() -> BaseException:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError) as raised:
        loop.call_soon(print)
    return raised.value


async def _of_a_closed_executor() -> BaseException:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(RuntimeError) as raised:
        executor.submit(print)
    return raised.value


async def _of_a_closed_database() -> BaseException:
    database = sqlite3.connect(":memory:")
    database.close()
    with pytest.raises(sqlite3.ProgrammingError) as raised:
        database.execute("SELECT 1")
    return raised.value


async def _of_a_closed_asyncio_database() -> BaseException:
    database = await aiosqlite.connect(":memory:")
    await database.close()
    with pytest.raises(ValueError, match="connection") as raised:
        await database.execute("SELECT 1")
    return raised.value


@pytest.mark.parametrize(
    "provoke",
    [
        _of_a_closed_loop,
        _of_a_closed_executor,
        _of_a_closed_database,
        _of_a_closed_asyncio_database,
    ],
)
async def test_what_was_opened_and_is_closed_is_a_crash(provoke: Any) -> None:
    assert outcome_of(await provoke()) is Outcome.CRASH


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        SystemError(),
        OSError(errno.EMFILE, "Too many open files"),
        RuntimeError("can't start new thread"),
        sqlite3.InterfaceError("connection already closed"),
    ],
)
def test_a_process_that_has_run_out_of_what_it_needs_is_a_crash(error: Exception) -> None:
    assert outcome_of(error) is Outcome.CRASH
    wrapped = ValueError()
    wrapped.__cause__ = error
    assert outcome_of(wrapped) is Outcome.CRASH


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("no such table: x"),
        sqlite3.InterfaceError("Error binding parameter 1"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_mistake_in_a_statement_and_a_full_disk_crash_nobody(error: Exception) -> None:
    assert outcome_of(error) is Outcome.UNKNOWN


@pytest.mark.promise(id="SEM-1361")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "") for name in OUTCOMES if "." not in name),
        ("OperationalError", "the press is locked"),
        ("InterfaceError", "the connection to the belt is closed"),
        ("PoolClosed", "the swimming pool is closed"),
    ],
)
def test_a_class_of_the_user_is_not_taken_for_one_of_a_library_that_has_its_name(
    name: str, text: str
) -> None:
    own: type[Exception] = type(name, (Exception,), {"__module__": __name__})
    assert outcome_of(own(text)) is Outcome.UNKNOWN
    assert not is_placed(own, {})


def test_what_an_http_client_raises_is_known_by_its_name_there() -> None:
    httpx = pytest.importorskip("httpx")
    assert outcome_of(httpx.ConnectError("")) is Outcome.TRANSIENT
    assert outcome_of(type("Own", (httpx.ReadTimeout,), {})("")) is Outcome.TRANSIENT


def test_a_group_is_what_its_parts_are() -> None:
    assert outcome_of(ExceptionGroup("x", [KeyError(), ValueError()])) is Outcome.ANSWER
    assert outcome_of(ExceptionGroup("x", [KeyError(), RuntimeError()])) is Outcome.UNKNOWN
    assert outcome_of(ExceptionGroup("x", [KeyError(), Failed(503)])) is Outcome.TRANSIENT
    assert outcome_of(ExceptionGroup("x", [Failed(503), MemoryError()])) is Outcome.CRASH


def test_the_status_of_a_response_is_found_where_the_client_keeps_it() -> None:
    error = RuntimeError()
    error.response = SimpleNamespace(status_code=400)  # type: ignore[attr-defined]
    assert outcome_of(error) is Outcome.ANSWER
    error.response = {"ResponseMetadata": {"HTTPStatusCode": 503}}  # type: ignore[attr-defined]
    assert outcome_of(error) is Outcome.TRANSIENT


class Limit(RuntimeError):
    """As a framework has it."""


def test_the_frameworks_own_table_comes_first_and_holds_for_subclasses() -> None:
    own = {f"{__name__}.Limit": Outcome.ANSWER}
    assert outcome_of(Limit(), own) is Outcome.ANSWER
    assert outcome_of(type("Turns", (Limit,), {})(), own) is Outcome.ANSWER
    assert outcome_of(Limit()) is Outcome.UNKNOWN


def test_an_answer_that_was_raised_from_a_transient_error_is_transient() -> None:
    error = Limit()
    error.__cause__ = Failed(503)
    assert outcome_of(error, {f"{__name__}.Limit": Outcome.ANSWER}) is Outcome.TRANSIENT


def test_an_error_raised_from_a_transient_one_is_transient() -> None:
    error = ValueError()
    error.__cause__ = Failed(429, retry_after="2")
    assert outcome_of(error) is Outcome.TRANSIENT
    assert retry_after(error) == 2


def test_an_error_that_causes_itself_is_looked_at_once() -> None:
    error = ValueError()
    error.__cause__ = TypeError()
    error.__cause__.__cause__ = error
    assert outcome_of(error) is Outcome.ANSWER


def test_the_page_has_the_table() -> None:
    assert shown("any library") == public(OUTCOMES)


def test_an_exception_that_nobody_placed_is_seen() -> None:
    assert not is_placed(Limit, {})
    assert is_placed(Limit, {f"{__name__}.Limit": Outcome.UNKNOWN})
    assert not is_placed(type("Turns", (Limit,), {}), {f"{__name__}.Limit": Outcome.UNKNOWN})
    assert is_placed(type("Turns", (Limit,), {}), {f"{__name__}.Limit": Outcome.ANSWER})


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

"""When schedules are due, and what is no schedule."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from civitas.errors import ConfigurationError, PayloadError
from civitas.process import AgentProcess
from civitas.process.schedule import MOST_MISSED, Schedule

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def times(cron: str, after: str, number: int) -> list[str]:
    schedule, found, time = Schedule(cron, "Europe/Berlin"), [], at(after)
    for _ in range(number):
        time = schedule.after(time)
        found.append(datetime.fromtimestamp(time, BERLIN).strftime("%m-%d %H:%M %z"))
    return found


@pytest.mark.promise(id="SEM-1662")
@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "2026-03-28T12:00",
            ["03-29 03:00 +0200", "03-30 02:30 +0200"],
            id="what is skipped is due when clocks have been put forward",
        ),
        pytest.param(
            "0,30 2 * * *",
            "2026-03-28T12:00",
            ["03-29 03:00 +0200", "03-30 02:00 +0200", "03-30 02:30 +0200"],
            id="two that are skipped are due once",
        ),
        pytest.param(
            "30 2 * * *",
            "2026-10-24T12:00",
            ["10-25 02:30 +0200", "10-26 02:30 +0100"],
            id="what comes twice is due once",
        ),
        pytest.param(
            "*/30 * * * *",
            "2026-10-25T01:40",
            ["10-25 02:00 +0200", "10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100"],
            id="every half hour is every half hour",
        ),
    ],
)
def test_a_day_on_which_clocks_are_changed(cron: str, after: str, expected: list[str]) -> None:
    assert times(cron, after, len(expected)) == expected


@pytest.mark.promise(id="SEM-1662")
@pytest.mark.parametrize("cron", ["30 2 * * *", "0,30 2 * * *", "*/20 * * * *", "15 1-3 * * *"])
@pytest.mark.parametrize("day", ["2026-03-28T20:00", "2026-10-24T20:00"])
def test_when_it_is_due_next_does_not_depend_on_when_it_is_asked(cron: str, day: str) -> None:
    schedule, begin = Schedule(cron, "Europe/Berlin"), at(day)
    all_of_them = schedule.between(begin, begin + 3 * 86400)
    for minute in range(0, 18 * 60, 7):
        time = begin + 60 * minute
        assert schedule.after(time) == next(due for due in all_of_them if due > time)


@pytest.mark.parametrize("schedule", [Schedule("* * * * *"), Schedule(every=60.0)], ids=str)
def test_of_years_of_minutes_the_newest_are_known(schedule: Schedule) -> None:
    found = schedule.between(0.0, 1_800_000_000.0)
    assert found == [1_800_000_000.0 - 60 * n for n in reversed(range(MOST_MISSED))]


def test_what_is_due_at_the_end_counts_and_at_the_beginning_does_not() -> None:
    assert Schedule(every=10.0).between(100.0, 130.0) == [110.0, 120.0, 130.0]
    assert Schedule("* * * * *").between(0.0, 120.0) == [60.0, 120.0]
    assert Schedule("* * * * *").between(0.0, 59.0) == []


@pytest.mark.parametrize(
    ("every", "seconds"), [(600, 600), ("10m", 600), (0.5, 0.5), (timedelta(hours=1), 3600)]
)
def test_every_is_seconds_or_a_text_with_a_unit(every: Any, seconds: float) -> None:
    schedule = AgentProcess("a", every=every)._civitas_options.schedule
    assert schedule is not None
    assert schedule.every == seconds


@pytest.mark.promise(id="SEM-1666")
@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"schedule": "61 * * * *"}, "got '61 * * * *': bad minute"),
        ({"schedule": "* * *"}, "got '* * *': wrong number of fields"),
        ({"schedule": "0 0 30 2 *"}, "bad day-of-month"),
        ({"schedule": 5}, "as text, such as '*/5 * * * *'; got 5"),
        ({"schedule": "* * * * *", "timezone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"schedule": "* * * * *", "timezone": "../etc/passwd"}, "the name of a time zone"),
        ({"schedule": "* * * * *", "every": 1}, "schedule and every are both given"),
        ({"every": 0}, "every must be a time, such as '10m' or 600 (seconds); got 0"),
        ({"every": "often"}, "got 'often'"),
        ({"every": 1, "timezone": "UTC"}, "timezone is for schedule, and every needs none"),
        ({"every": 1, "missed": "never"}, "missed must be one of once, all, skip"),
        ({"timezone": "UTC"}, "timezone is for an agent with schedule or every"),
        ({"missed": "all"}, "missed is for an agent with schedule or every"),
        ({"schedule_payload": 1}, "schedule_payload is for an agent with schedule or every"),
    ],
)
def test_what_is_no_schedule_is_refused_where_it_is_given(
    keywords: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        AgentProcess("a", **keywords)
    assert text in str(refused.value)
    assert "'a'" in str(refused.value)


def test_a_payload_that_cannot_be_sent_is_refused_where_it_is_given() -> None:
    with pytest.raises(PayloadError):
        AgentProcess("a", every=1, schedule_payload=object())


@pytest.mark.promise(id="SEM-1664")
def test_what_is_due_is_the_same_one_at_a_time_and_several_at_once() -> None:
    """To the microsecond, as each time has a run of its own."""
    schedule, time, found = Schedule(every=0.05), 1790000000.7887235, []
    for _ in range(3):
        found.append(schedule.after(found[-1] if found else time))
    assert found == schedule.between(time, found[-1])

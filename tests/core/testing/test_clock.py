"""`ManualClock`: time moves when a test says so."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from civitas.testing import ManualClock


@pytest.mark.promise(id="SEM-714")
def test_time_stands_still_until_it_is_moved():
    clock = ManualClock(start=100)
    assert clock.now() == clock.now() == 100
    clock.advance(1.5)
    assert clock.now() == 101.5


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(-1)


def test_a_call_is_made_when_its_time_has_come():
    clock, made = ManualClock(), []
    clock.call_later(10, lambda: made.append(clock.now()))
    clock.advance(9.99)
    assert made == []
    clock.advance(0.01)
    assert made == [10]
    clock.advance(100)
    assert made == [10]


def test_calls_are_made_in_the_order_they_are_due_each_at_its_time():
    clock, made = ManualClock(), []

    def note(delay: int) -> None:
        made.append((delay, clock.now()))

    for delay in (3, 1, 2, 1):
        clock.call_later(delay, partial(note, delay))
    clock.advance(5)
    assert made == [(1, 1), (1, 1), (2, 2), (3, 3)]
    assert clock.now() == 5


def test_a_cancelled_call_is_not_made():
    clock, made = ManualClock(), []
    timer = clock.call_later(1, lambda: made.append(1))
    timer.cancel()
    clock.advance(2)
    assert made == []
    assert clock.pending == []


def test_a_call_may_ask_for_another_one_within_the_same_move():
    clock, made = ManualClock(), []

    def again() -> None:
        made.append(clock.now())
        clock.call_later(1, again)

    clock.call_later(1, again)
    clock.advance(3.5)
    assert made == [1, 2, 3]
    assert clock.pending == [0.5]


def test_a_call_without_delay_waits_for_a_move_too():
    clock, made = ManualClock(), []
    clock.call_later(0, lambda: made.append(1))
    assert made == []
    clock.advance(0)
    assert made == [1]


async def test_a_sleeper_wakes_when_the_clock_has_moved():
    clock = ManualClock()
    sleeping = asyncio.ensure_future(clock.sleep(5))
    assert await clock.timers() == [5]
    clock.advance(4)
    await asyncio.sleep(0)
    assert not sleeping.done()
    clock.advance(1)
    await sleeping


async def test_a_cancelled_sleeper_leaves_no_timer():
    clock = ManualClock()
    sleeping = asyncio.ensure_future(clock.sleep(5))
    await clock.timers()
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    assert clock.pending == []


async def test_timers_waits_until_enough_are_waiting():
    clock = ManualClock()
    waiting = asyncio.ensure_future(clock.timers(2))
    clock.call_later(1, print)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.call_later(2, print)
    assert await waiting == [1, 2]


async def test_timers_says_when_nobody_comes():
    with pytest.raises(AssertionError, match="0 timers wait for this clock"):
        await ManualClock().timers(timeout=0.01)

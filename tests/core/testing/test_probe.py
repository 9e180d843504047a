"""`Probe`: waiting for what happens."""

from __future__ import annotations

import asyncio
import threading

import pytest

from civitas.testing import Probe


async def test_what_was_recorded_is_read_in_order():
    probe = Probe()
    probe("a")
    probe("b")
    assert [await probe.next(), await probe.next()] == ["a", "b"]
    assert probe.seen == ["a", "b"]


async def test_next_waits_for_what_is_not_there_yet():
    probe = Probe()
    waiting = asyncio.ensure_future(probe.next())
    await asyncio.sleep(0)
    probe("late")
    assert await waiting == "late"


async def test_each_of_several_waiters_gets_a_value():
    probe = Probe()
    waiting = [asyncio.ensure_future(probe.next()) for _ in range(3)]
    await asyncio.sleep(0)
    for value in range(3):
        probe(value)
    assert sorted(await asyncio.gather(*waiting)) == [0, 1, 2]


async def test_a_waiter_that_gave_up_takes_nothing_from_the_next():
    probe = Probe()
    with pytest.raises(AssertionError, match="nothing was recorded at all"):
        await probe.next(timeout=0.001)
    waiting = asyncio.ensure_future(probe.next(timeout=1))
    await asyncio.sleep(0)
    probe("a")
    assert await waiting == "a"


async def test_a_thread_can_record():
    probe = Probe()
    threads = [threading.Thread(target=probe, args=(n,)) for n in range(20)]
    waiting = [asyncio.ensure_future(probe.next()) for _ in range(20)]
    await asyncio.sleep(0)
    for thread in threads:
        thread.start()
    assert sorted(await asyncio.gather(*waiting)) == list(range(20))
    for thread in threads:
        thread.join()


async def test_what_does_not_come_says_what_came_before():
    probe = Probe(timeout=0.001)
    probe("a")
    await probe.next()
    with pytest.raises(
        AssertionError, match=r"nothing more within 0\.001 s; recorded so far: \['a'\]"
    ):
        await probe.next()


async def test_expect_compares_the_next_value():
    probe = Probe()
    probe("a")
    probe("b")
    assert await probe.expect("a") == "a"
    with pytest.raises(AssertionError, match="expected 'c', got 'b'"):
        await probe.expect("c")


async def test_expect_takes_a_function_too():
    probe = Probe()
    probe(4)
    assert await probe.expect(lambda value: value % 2 == 0) == 4


async def test_until_passes_over_what_comes_before():
    probe = Probe()
    for value in range(5):
        probe(value)
    assert await probe.until(3) == 3
    assert await probe.next() == 4


async def test_until_has_one_timeout_for_all_that_it_passes_over():
    probe = Probe()
    for value in range(5):
        probe(value)
    with pytest.raises(AssertionError, match="nothing more"):
        await probe.until("never", timeout=0.01)


async def test_nothing_is_content_when_everything_was_read():
    probe = Probe()
    probe.nothing()
    probe("a")
    with pytest.raises(AssertionError, match=r"expected nothing more, got \['a'\]"):
        probe.nothing()
    await probe.next()
    probe.nothing()


async def test_it_can_be_a_callback_without_a_value(probe):
    asyncio.get_running_loop().call_soon(probe)
    assert await probe.next() is None

"""`Room`: places for chunks, in the order in which they are asked for."""

from __future__ import annotations

import asyncio

from civitas.node.room import Room


async def test_who_waits_for_a_place_gets_one_in_the_order_in_which_they_came():
    room, had = Room(1), []

    async def take(name: str) -> None:
        await room.take()
        had.append(name)

    waiting = [asyncio.create_task(take(name)) for name in ("first", "second", "third")]
    await asyncio.sleep(0)
    room.give()
    assert not room.take_now()
    await asyncio.wait(waiting[:2])
    assert had == ["first", "second"]
    room.give(2)
    await waiting[2]
    assert room.take_now()


async def test_a_place_of_one_that_is_cancelled_goes_to_the_next():
    room = Room(0)
    leaving, staying = (asyncio.create_task(room.take()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    room.give()
    await staying
    assert leaving.cancelled()


async def test_a_place_that_was_given_to_one_in_the_moment_in_which_it_left_is_given_on():
    room = Room(0)
    leaving, staying = (asyncio.create_task(room.take()) for _ in range(2))
    await asyncio.sleep(0)
    room.give()
    leaving.cancel()
    await staying
    assert leaving.cancelled()
    assert not room.take_now()

"""What a broker stored twice, as it was started again before it could say that it had it."""

from __future__ import annotations

import pytest

from civitas.cluster.durable import order
from civitas.cluster.durable.lanes import Settled
from tests.core.cluster.test_order_of_lanes import Read


@pytest.mark.promise(id="SEM-1480")
async def test_it_is_handled_once() -> None:
    reader = Read()
    reader.take(1, 1, after=0)
    reader.take(2, 1, after=0)
    reader.take(3, 2, after=0)
    assert reader.read == [1, -2, 2]


@pytest.mark.promise(id="SEM-1480")
async def test_what_was_sent_with_it_is_handled_once_too() -> None:
    reader = Read()
    for place, (number, after) in enumerate([(1, 0), (2, 1), (3, 2), (1, 0), (2, 1), (3, 2)], 1):
        reader.take(place, number, after)
    reader.take(7, 4, after=3)
    assert reader.read == [1, 2, 3, -4, -5, -6, 4]


async def test_what_is_read_again_from_its_own_place_is_not_taken_for_a_copy() -> None:
    reader = Read()
    reader.take(1, 1, after=0)
    reader.take(2, 2, after=1)
    reader.take(1, 1, after=0)
    assert reader.read == [1, 2, 1]


@pytest.mark.promise(id="SEM-1480")
async def test_a_copy_of_what_is_held_back_goes_and_the_others_are_handled_in_order() -> None:
    reader = Read()
    reader.take(1, 1, after=0)
    reader.take(3, 3, after=2, behind=1)
    reader.take(4, 1, after=0)
    await reader.answered(Settled(until=5))
    reader.take(5, 2, after=1)
    assert reader.read == [1, -4, 2, 3]


async def test_so_many_are_remembered_as_may_be_on_their_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "_UNSURE", 2)
    reader = Read()
    for number in range(1, 6):
        reader.take(number, number, after=number - 1)
    assert [len(each) for each in reader.order._unsure.values()] == [2]
    for place, line in enumerate("cdef", 6):
        reader.take(2 * place, 1, after=0, boot=line)
        reader.take(2 * place + 1, 2, after=1, boot=line)
    assert len(reader.order._unsure) == 2
    reader.take(20, 3, after=0, boot="f")
    assert len(reader.order._unsure) == 1

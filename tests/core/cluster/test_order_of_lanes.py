"""The order in which messages come out of a mailbox of a broker, where some are missing or may be back."""

from __future__ import annotations

import asyncio

import pytest

from civitas.cluster.durable import order
from civitas.cluster.durable.lanes import Settled
from civitas.cluster.durable.order import InOrder
from civitas.cluster.durable.parcels import KeptMessage
from civitas.message import Message
from civitas.transport.mailboxes import Letter
from tests.core.cluster.test_lanes import turns


class Read:
    """What comes out of `InOrder`, whose sender answers when it is told to."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.answer: asyncio.Future[Settled | None] = asyncio.get_running_loop().create_future()
        self.order = InOrder(
            lambda _, kept: self.read.append(kept.number),
            lambda line, number: asyncio.shield(self.answer),
            lambda letter: self.read.append(-letter.place),
        )

    def take(
        self,
        place: int,
        number: int,
        after: int,
        behind: int = 0,
        boot: str = "b",
        sender: str | None = None,
    ) -> None:
        kept = KeptMessage(Message(sender=sender), boot, number, after, None)
        self.order.take((boot, ""), Letter(place, b"", behind, None), kept)

    async def answered(self, settled: Settled | None) -> None:
        self.answer.set_result(settled)
        await turns()


async def test_what_may_have_a_predecessor_on_the_way_waits_for_it_and_delays_no_other_line():
    reader = Read()
    reader.take(1, 2, after=1, behind=1)
    reader.take(2, 9, after=0, boot="other")
    assert reader.read == [9]
    await reader.answered(Settled(until=3))
    reader.take(3, 1, after=0)
    assert reader.read == [9, 1, 2]


async def test_what_was_taken_out_again_is_not_handled():
    reader = Read()
    reader.take(1, 2, after=1, behind=0)
    await reader.answered(Settled(void=[1]))
    assert reader.read == [-1]
    reader.take(2, 1, after=0)
    reader.take(3, 2, after=1)
    assert reader.read == [-1, 1, 2]


@pytest.mark.promise(id="SEM-1453")
async def test_what_comes_before_something_that_is_held_back_is_handled_and_makes_room_for_it():
    reader = Read()
    reader.take(1, 1, after=0)
    reader.take(2, 9, after=8)  # it is taken out again, as those before it find no room
    reader.take(3, 2, after=1)
    reader.take(4, 3, after=2)
    reader.take(5, 8, after=7)
    assert reader.read == [1, 2, 3]
    await reader.answered(Settled(until=7, void=[2]))
    reader.take(6, 7, after=3)
    reader.take(7, 9, after=8)
    await turns()
    assert reader.read == [1, 2, 3, -2, 7, 8, 9]


async def test_what_was_taken_out_again_behind_what_was_asked_for_is_not_handled_either():
    reader = Read()
    asked: list[int] = []

    async def ask(line, number):
        asked.append(number)
        return await asyncio.shield(reader.answer) if len(asked) == 1 else Settled(void=[1, 2])

    reader.order._ask = ask
    reader.take(1, 2, after=1)
    reader.take(2, 3, after=2)
    await asyncio.sleep(0)
    reader.take(3, 1, after=0)
    await reader.answered(Settled(void=[1]))
    assert (reader.read, asked) == ([1, -1, -2], [2, 3])


@pytest.mark.promise(id="SEM-1453")
async def test_what_is_back_before_the_answer_that_it_was_taken_out_is_asked_for_once_more():
    reader = Read()
    answers = [reader.answer, asyncio.get_running_loop().create_future()]
    reader.order._ask = lambda line, number: answers.pop(0)
    reader.take(1, 2, after=1)
    await asyncio.sleep(0)
    reader.take(2, 2, after=1)  # stored again, and once more ahead of the one before it
    await reader.answered(Settled(void=[1]))
    assert (reader.read, answers) == ([-1], [])
    reader.take(3, 1, after=0)
    reader.order.close()
    assert reader.read == [-1, 1]


async def test_of_a_node_that_is_gone_nothing_is_waited_for_but_what_is_there(monkeypatch):
    monkeypatch.setattr(order, "_GRACE", 0.0)
    reader = Read()
    reader.take(1, 3, after=2, behind=1)
    await reader.answered(None)
    assert reader.read == []  # something stands behind it
    reader.take(2, 2, after=0)
    assert reader.read == [2, 3]


@pytest.mark.promise(id="SEM-1814")
async def test_of_a_root_that_has_passed_on_nothing_but_what_is_there_is_waited_for():
    reader = Read()
    reader.take(1, 3, after=2, behind=1)
    await reader.answered(Settled(is_all=True))
    assert reader.read == []  # something stands behind it
    reader.take(2, 2, after=1)
    assert reader.read == [2, 3]


async def test_what_a_former_reader_has_handled_is_waited_for_a_moment_only(monkeypatch):
    monkeypatch.setattr(order, "_GRACE", 0.0)
    reader = Read()
    reader.take(1, 2, after=1)
    await reader.answered(Settled(until=3))
    assert reader.read == [2]


@pytest.mark.promise(id="SEM-1453")
async def test_what_the_next_incarnation_sends_comes_behind_what_is_held_back_of_a_killed_one(
    monkeypatch,
):
    monkeypatch.setattr(order, "_GRACE", 0.0)
    reader = Read()
    # The one before it was handled by a former reader, of which this one knows nothing.
    reader.take(1, 5, after=4, behind=4, boot="killed", sender="relay")
    reader.take(2, 21, after=0, behind=3, boot="next", sender="other")
    reader.take(3, 22, after=0, behind=2, boot="next", sender="relay")
    reader.take(4, 23, after=22, behind=1, boot="next", sender="relay")
    assert reader.read == [21]
    await reader.answered(None)
    assert reader.read == [21]
    reader.take(5, 6, after=5, boot="killed", sender="relay")
    assert reader.read == [21, 5, 6, 22, 23]


async def test_two_lines_that_hold_back_messages_of_the_same_two_agents_do_not_wait_for_each_other(
    monkeypatch,
):
    monkeypatch.setattr(order, "_GRACE", 0.0)
    reader = Read()
    reader.take(1, 5, after=4, boot="one", sender="a")
    reader.take(2, 25, after=24, boot="two", sender="b")
    reader.take(3, 6, after=5, boot="one", sender="b")
    reader.take(4, 26, after=25, boot="two", sender="a")
    await reader.answered(None)
    assert reader.read == [5, 6, 25, 26]

"""To how many incarnations the root says a message was given, when it hands a mailbox to the next process."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from civitas.cluster.durable.broker import Wanted
from civitas.cluster.durable.granting import Granting, Left
from civitas.cluster.durable.parcels import pack
from civitas.message import Serializer, encode, new_message
from tests.core.cluster.memory_broker import MemoryBroker

_BOOTS = map(str, count())


class Mailbox:
    """The mailbox of an agent whose process dies again and again."""

    def __init__(self) -> None:
        self._broker = MemoryBroker()
        keeper = self._broker.at_root({}).keeper
        assert keeper is not None
        self._granting = Granting(keeper, {"sure": Wanted(10)}, "root")
        self._boot = ""

    async def hand_over(self, left: Left | None = None) -> dict[str, int]:
        """Hand it to the next process, of which the one before has left something."""
        await self._granting.open()
        if left is not None:
            self._granting.has_left(self._boot, left)
        self._boot = next(_BOOTS)
        handed = await self._granting.hand_over("sure", self._boot)
        assert handed is not None
        return dict(handed.given)

    async def renew(self) -> None:
        """Let the process that got it last read it anew."""
        await self._granting.renew("sure", self._boot)

    def deliver(self) -> str:
        """Let the broker give a message to the process; returns its id."""
        message = new_message("message", None, "sure", encode(1))
        (box,) = self._broker.boxes.values()
        place = next(self._broker.places)
        box.put("", message.id, pack(message, Serializer.MSGPACK, "root", 1, 0, None), place)
        box.delivered = place
        return message.id


@pytest.mark.promise(id="SEM-1456")
async def test_each_process_that_had_a_message_in_hand_counts():
    mailbox = Mailbox()
    await mailbox.hand_over()
    assert await mailbox.hand_over(Left({"m": 1})) == {"m": 1}
    assert await mailbox.hand_over(Left({"m": 1})) == {"m": 2}


@pytest.mark.promise(id="SEM-1456")
async def test_a_process_that_finished_a_message_counts_too_if_it_comes_again():
    """As it does if its answer was lost with the process."""
    mailbox = Mailbox()
    await mailbox.hand_over()
    assert await mailbox.hand_over(Left({"m": 1})) == {"m": 1}
    assert await mailbox.hand_over(Left({"next": 1}, finished={"m": 1})) == {"m": 2, "next": 1}
    assert await mailbox.hand_over(Left({"m": 1})) == {"m": 3, "next": 1}


@pytest.mark.promise(id="SEM-1456")
async def test_a_process_that_was_given_up_may_have_begun_with_what_it_got():
    """Until it notices, the broker gives it what comes."""
    mailbox = Mailbox()
    await mailbox.hand_over()
    id = mailbox.deliver()
    assert await mailbox.hand_over(Left(is_known=False)) == {id: 1}
    mailbox.deliver()
    assert await mailbox.hand_over(Left({id: 2}, is_known=False)) == {id: 3}


@pytest.mark.promise(id="SEM-1811")
async def test_a_mailbox_that_is_handed_to_two_processes_at_once_is_the_last_ones():
    """As when a new version and an old one meet at the root."""
    mailbox = Mailbox()
    await mailbox.hand_over()
    id = mailbox.deliver()
    handed = await asyncio.gather(
        mailbox.hand_over(Left({id: 1})), mailbox.hand_over(Left(is_known=False))
    )
    assert list(handed) == [{id: 1}, {id: 1}]
    await mailbox.renew()

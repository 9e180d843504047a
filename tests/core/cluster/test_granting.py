"""To how many incarnations the root says a message was given, when it hands a mailbox to the next process."""

from __future__ import annotations

from itertools import count

import pytest

from civitas.cluster.durable.broker import Wanted
from civitas.cluster.durable.granting import Granting, Left
from tests.core.cluster.memory_broker import MemoryBroker

_BOOTS = map(str, count())


class Mailbox:
    """The mailbox of an agent whose process dies again and again."""

    def __init__(self) -> None:
        keeper = MemoryBroker().at_root({}).keeper
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

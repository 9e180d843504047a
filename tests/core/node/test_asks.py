"""The asks of a node that wait, by themselves."""

from __future__ import annotations

import asyncio

import pytest

from civitas.node.asks import PendingAsks
from civitas.node.ticks import AT_ONCE


@pytest.mark.promise(id="SEM-1233")
async def test_thousands_whose_time_is_up_together_are_told_in_many_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    asks = PendingAsks(loop)
    many = 4 * AT_ONCE
    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", lambda: 1e9)
        waiting = [asks.add(f"{n}", 1.0, None, "a") for n in range(many)]
    asks.remove("0")
    ticks = asks._ticks
    ((tick, (_, timer)),) = ticks.due.items()
    timer.cancel()
    ticks.tell(tick)  # the time is up
    told = [sum(each.done() for each in waiting)]
    while told[-1] < many - 1:
        await asyncio.sleep(0)
        told.append(sum(each.done() for each in waiting))
    assert told == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE, many - 1]
    assert not len(asks)
    assert not waiting[0].done()  # nobody waits for that any more

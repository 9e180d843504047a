"""The asks of a node that wait, by themselves."""

from __future__ import annotations

import asyncio

import pytest

from civitas.node.asks import _AT_ONCE, PendingAsks


@pytest.mark.promise(id="SEM-1233")
async def test_thousands_whose_time_is_up_together_are_told_in_many_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    asks = PendingAsks(loop)
    many = 4 * _AT_ONCE
    with monkeypatch.context() as patched:
        patched.setattr(loop, "time", lambda: 1e9)
        waiting = [asks.add(f"{n}", 1.0, None) for n in range(many)]
    asks.remove("0")
    ((tick, (_, timer)),) = asks._ticks.items()
    timer.cancel()
    asks._tick(tick)  # the time is up
    told = [sum(each.done() for each in waiting)]
    while told[-1] < many - 1:
        await asyncio.sleep(0)
        told.append(sum(each.done() for each in waiting))
    assert told == [_AT_ONCE, 2 * _AT_ONCE, 3 * _AT_ONCE, many - 1]
    assert not len(asks)
    assert not waiting[0].done()  # nobody waits for that any more

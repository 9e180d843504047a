"""What an ask to a worker and a crash there cost the root, in calls of its own code."""

from __future__ import annotations

from benchmarks.calls import count

ASK = 34
"""A few more than there are: an id needs two more once a millisecond."""
CRASH = 160


async def test_an_ask_and_a_crash_cost_the_root_few_calls() -> None:
    calls = await count()
    assert calls["ask"].node <= ASK, calls["ask"].names
    assert calls["crash"].node <= CRASH, calls["crash"].names

"""What an ask to a worker and a crash there cost the root, in calls of its own code."""

from __future__ import annotations

from benchmarks.calls import count

ASK = 34
"""A few more than there are: the first id of a millisecond and the first wait of a tick need one more each."""
CRASH = 86


async def test_an_ask_and_a_crash_cost_the_root_few_calls() -> None:
    calls = await count()
    assert calls["ask"].total <= ASK, calls["ask"].names
    assert calls["crash"].total <= CRASH, calls["crash"].names

"""What an ask to a worker and a crash there cost the root, in calls of its own code."""

from __future__ import annotations

from benchmarks.calls import count

ASK = 30
CRASH = 80


async def test_an_ask_and_a_crash_cost_the_root_few_calls() -> None:
    calls = await count()
    assert calls["ask"].total <= ASK, calls["ask"].names
    assert calls["crash"].total <= CRASH, calls["crash"].names

"""What happened in a system in the last hour."""

from __future__ import annotations

import time

import pytest

from civitas.node.events import Events
from civitas.runtime.timeline import LONGEST, Timeline


@pytest.mark.promise(id="SEM-1799")
def test_the_newest_events_are_kept_and_neither_starts_nor_dead_letters() -> None:
    events = Events("root")
    timeline = Timeline(events)
    for type in ("started", "dead_letter"):
        events.emit(type, "a", "", "a")
    for n in range(LONGEST + 1):
        events.emit("crashed", "a", "", str(n))
    kept = [each.message for each in timeline.since(None)]
    assert kept == [str(n) for n in range(1, LONGEST + 1)]


def test_only_later_events_are_told_to_whoever_knows_the_rest() -> None:
    events = Events("root")
    timeline = Timeline(events)
    events.emit("crashed", "a", "", "before")
    [before] = timeline.since(None)
    assert timeline.since(before.time) == []
    assert timeline.since(time.time() - 60) == [before]

"""The garbage collector in the programs that are ours."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator

import pytest

from civitas import Runtime, Supervisor
from civitas.launch import ShortPauses, short_pauses
from civitas.launch.pauses import _TIMES

SHORT, LONG = 0.001, 0.5


class Collector:
    """A collector whose collections take as long as the test says, and what is done to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.now = 0.0
        self.pauses = ShortPauses()
        monkeypatch.setattr(time, "thread_time", lambda: self.now)
        monkeypatch.setattr(gc, "freeze", lambda: self.done.append("freeze"))
        monkeypatch.setattr(gc, "unfreeze", lambda: self.done.append("unfreeze"))
        monkeypatch.setattr(gc, "collect", lambda: self.done.append("collect"))
        monkeypatch.setattr(gc, "get_threshold", lambda: (700, 10, 10))
        monkeypatch.setattr(gc, "collect", lambda: self.done.append("collect"))

    def collect(self, seconds: float, generation: int = 2) -> None:
        self.pauses("start", {"generation": generation})
        self.now += seconds
        self.pauses("stop", {"generation": generation})


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with monkeypatch.context() as patched:
        yield Collector(patched)


@pytest.mark.promise(id="SEM-1234")
def test_what_is_left_of_a_long_full_collection_is_not_looked_at_again(
    collector: Collector,
) -> None:
    collector.collect(SHORT)
    collector.collect(LONG, generation=1)
    assert collector.done == []
    collector.collect(LONG)
    assert collector.done == ["freeze"]


@pytest.mark.promise(id="SEM-1234")
def test_after_many_long_ones_everything_is_looked_at_again(collector: Collector) -> None:
    for _ in range(_TIMES):
        collector.collect(LONG)
    assert collector.done == ["freeze"] * _TIMES
    collector.collect(LONG)
    assert collector.done[_TIMES:] == ["unfreeze", "freeze"]


@pytest.mark.promise(id="SEM-1234")
async def test_a_full_one_follows_in_a_turn_of_its_own_when_younger_objects_took_long(
    collector: Collector,
) -> None:
    collector.collect(SHORT, generation=1)
    await asyncio.sleep(0)
    assert collector.done == []
    collector.collect(LONG, generation=1)
    collector.collect(SHORT, generation=1)
    assert collector.done == []
    await asyncio.sleep(0)
    assert collector.done == ["collect"]


@pytest.mark.promise(id="SEM-1234")
async def test_none_follows_where_a_full_one_was_meanwhile_or_never_comes(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(100):
        collector.collect(SHORT, generation=1)
        collector.collect(SHORT)
    monkeypatch.setattr(gc, "get_threshold", lambda: (2000, 10, 0))
    collector.collect(LONG, generation=1)
    await asyncio.sleep(0)
    assert collector.done == []


@pytest.mark.promise(id="SEM-1234")
def test_the_collector_is_left_as_it_was_found() -> None:
    before = list(gc.callbacks)
    with short_pauses():
        with short_pauses():
            assert len(gc.callbacks) == len(before) + 1
        assert len(gc.callbacks) == len(before) + 1
        gc.freeze()
    assert gc.callbacks == before
    assert gc.get_freeze_count() == 0


@pytest.mark.promise(id="SEM-1234")
async def test_a_runtime_keeps_them_short_from_its_start_to_its_stop() -> None:
    before = list(gc.callbacks)
    runtime = Runtime(Supervisor("root", children=[]))
    for _ in range(2):
        async with runtime:
            assert len(gc.callbacks) == len(before) + 1
        assert gc.callbacks == before


@pytest.mark.promise(id="SEM-1234")
def test_a_program_that_looks_after_its_collector_is_left_alone() -> None:
    before = list(gc.callbacks)
    gc.disable()
    try:
        with short_pauses():
            assert gc.callbacks == before
        gc.enable()
        gc.freeze()
        with short_pauses():
            assert gc.callbacks == before
        assert gc.get_freeze_count() > 0
    finally:
        gc.enable()
        gc.unfreeze()

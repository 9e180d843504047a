"""The plots of what grows, and the tables of where the time goes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from benchmarks import growth, where
from benchmarks import soak as soaked
from tests.fire import soak


async def test_what_grows_is_drawn_with_a_line_for_each_figure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growth, "_REPEAT", 0.0)
    for name, sizes in {"agents": (1, 120), "children": (1, 5), "conversations": (3, 5)}.items():
        grows = growth.GROWTHS[name]
        found = {size: await grows.measure(size) for size in sizes}
        picture = growth.plotted(grows, found)
        lines = [line for names in grows.plots.values() for line in names]
        assert picture.count("<polyline") == len(lines)
        assert all(found[size][line] >= 0 for size in sizes for line in lines)


def test_the_shares_of_an_ask_add_up_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(where.WHAT, "ask", ("One ask", 100, where.WHAT["ask"][2]))
    one, rooms = asyncio.run(where._measure("ask"))
    assert sum(each.total() for each in rooms.values()) == pytest.approx(one)
    assert {"`civitas.process`", "`civitas.node`", "`civitas.message`", "asyncio"} <= set(rooms)


def held(mebibytes: float, tasks: int = 5) -> soak.Sample:
    return {"root": {"MiB": mebibytes, "tasks": tasks}, "w1": {"MiB": 40.0}}


def test_what_holds_more_in_the_end_has_grown_and_a_request_under_way_has_not() -> None:
    aside = {"MiB": 2.0, "tasks": 3.0}
    flat = [held(60 + n % 2, 5 + n % 3) for n in range(40)]
    assert soak._growth(flat, aside) == []
    leaking = [held(60 + n / 5) for n in range(40)]
    assert soak._growth(leaking, aside) == ["root grew from 62.9 to 66.9 MiB"]


def test_what_stays_is_drawn_over_an_even_scale_from_nothing() -> None:
    picture = soaked.plotted([held(60)] * 120, 3600)
    assert picture.count("<polyline") == 3
    assert ">0<" in picture
    assert ">60<" in picture
    assert "minutes of mixed load" in picture


@pytest.mark.deep
def test_two_minutes_of_a_mixed_load_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["soak", "--seconds", "120", "--plot", str(tmp_path)])
    assert soaked.main() == 0
    assert (tmp_path / "soak.svg").exists()

"""The plots of what grows, and the tables of where the time goes."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks import growth, where


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

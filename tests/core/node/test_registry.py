"""Names that nobody has, and those that are most like them."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.node import Registry


def registry(*names: str) -> Registry:
    found = Registry()
    for name in names:
        found[name] = None  # type: ignore[assignment]  # only the names matter
    return found


def test_the_closest_names_are_those_of_agents_pools_and_groups():
    names: Any = registry("planner", "writer")
    names.pools["planners"] = names.groups["plan"] = None
    assert set(names.closest("planer")) == {"planner", "planners", "plan"}


@pytest.mark.parametrize(
    "typed", ["worker-4321-of-taem-2", "wroker-4321-of-team-2", "worker-4321-of-team-22"]
)
def test_of_very_many_names_only_those_are_compared_that_begin_or_end_alike(
    typed: str, monkeypatch: pytest.MonkeyPatch
):
    compared: list[int] = []
    names = registry(*(f"worker-{n}-of-team-{n % 7}" for n in range(10_000)))

    def matches(name: str, among: list[str], most: int) -> list[str]:
        compared.append(len(among))
        return [each for each in among if each == "worker-4321-of-team-2"]

    monkeypatch.setattr("civitas.node.registry.difflib.get_close_matches", matches)
    assert names.closest(typed) == ["worker-4321-of-team-2"]
    assert compared[0] <= 500
    assert names.closest("nothing like it") == []

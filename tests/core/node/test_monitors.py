"""The monitors of a node, by themselves."""

from __future__ import annotations

import pytest

from civitas.node.monitors import Monitors


@pytest.mark.promise(id="SEM-1233")
def test_an_exit_looks_at_the_monitors_of_that_agent_alone() -> None:
    monitors = Monitors()
    many = [monitors.add("watcher", f"a{n}") for n in range(100)]
    own = monitors.add("a1", "a2")
    concerned = monitors.of["a1"]
    assert list(concerned) == [many[1].ref, own.ref]
    assert monitors.exited("a1") == [many[1]]
    assert not monitors.remove(own.ref)
    assert monitors.exited("a2") == [many[2]]
    assert monitors.exited("watcher") == []
    assert not monitors.of
    assert not monitors.targets()

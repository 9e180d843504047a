"""What a library leaves in a worker keeps nobody waiting."""

from __future__ import annotations

import time

import pytest

from civitas import Runtime
from tests.integration.processes.system import agent, is_alive, pid_of, topology


@pytest.mark.promise(id="SEM-1111")
async def test_a_worker_ends_within_a_second_whatever_was_left_in_it_and_says_what(capfd):
    left = {"thread": "t", "call": "c", "child": "f", "joined child": "j"}
    config = topology(*(agent(name, f"p-{name}") for name in left.values()))
    runtime = Runtime.from_config(config)
    await runtime.start()
    pids = {name: pid_of(runtime, name) for name in left.values()}
    for what, name in left.items():
        await runtime.ask(name, what, "leave")
    began = time.monotonic()
    await runtime.stop()
    took = time.monotonic() - began
    assert not any(is_alive(pid) for pid in pids.values())
    assert took < 4  # all four at once, on a machine that is busy; each was killed after 5 s
    told = capfd.readouterr()
    text = told.out + told.err
    assert "process 'p-t' is ending, and something that its agents started is still there" in text
    assert "the thread 'metrics-uploader' at " in text
    assert "process 'p-c' is ending" in text
    assert "process 'p-j' is ending" in text
    assert "was killed" not in text

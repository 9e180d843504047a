"""The addresses of edges that the program which led before may still have."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from civitas.edge.http import HttpEdge, HttpOptions
from civitas.launch import pid_space
from civitas.node.next_program import Alone
from civitas.runtime.callers import Callers
from civitas.transport.election import Leader

BEFORE = replace(Leader.here("id", pid_space()), pid=os.getppid())


@pytest.mark.promise(id="SEM-1833")
@pytest.mark.parametrize(
    ("last", "waits"),
    [
        (BEFORE, True),
        (replace(BEFORE, pid_space="another machine"), False),
        (replace(BEFORE, pid=2**22 + 1), False),
        (None, False),
    ],
)
def test_an_address_is_waited_for_if_the_one_that_led_before_still_runs_on_this_machine(
    last: Any, waits: bool
) -> None:
    edge = HttpEdge(HttpOptions())
    Callers(lambda: [edge], Alone()).expect_addresses(last)
    assert edge._waits_for_port == waits

"""`on_change` in a topology."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.errors import TopologyError
from civitas.topology import load

Write = Callable[..., Path]


AGENT = """
supervision:
  children:
    - agent:
        name: a
        wrap: m:graph
        {}
"""


def test_it_is_a_keyword_of_the_adapter(write: Write) -> None:
    topology = load(write(AGENT.format("durable: true\n        on_change: GO_ON")))
    assert topology.agents["a"][1].keywords() == {"durable": True, "on_change": "GO_ON"}


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("on_change: restrat\n        durable: true", "must be one of refuse, go_on, restart"),
        ("on_change: go_on", "needs 'durable: true'"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line_and_imports_nothing(
    write: Write, lines: str, text: str
) -> None:
    with pytest.raises(TopologyError, match=text) as raised:
        load(write(AGENT.format(lines)))
    assert raised.value.line == 6
